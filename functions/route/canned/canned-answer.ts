import { cannedScore, isCannedChosen, matchingRule, RULE_MODEL, type Rule } from "../../../src/shared/router/canned.ts";
import { errorResponse } from "../../../src/shared/http/errors.ts";
import { routeText } from "../../../src/shared/router/route-text.ts";
import { holdFree } from "../free-hold.ts";
import { settleFree } from "../free-record.ts";
import type { ModelRoute } from "../planned.ts";
import type { Call, Prepared } from "../prepared.ts";
import { cannedBody, cannedStream } from "./canned-body.ts";
import { lastUserText } from "./last-user-text.ts";

export interface Canned {
	/** Null: no rule is met, or a model is worth its price. */
	readonly answer: Response | null;
	/** The plan with the rule among what was chosen from; null where no rule is met. */
	readonly explained: ModelRoute | null;
}

const NONE: Canned = { answer: null, explained: null };

/** A rule whose conditions the prompt meets is one more candidate, of price zero, in the choice that has been made. */
export async function cannedAnswer(prepared: Prepared, route: ModelRoute, call: Call): Promise<Canned> {
	const { plan } = route;
	const { rules, quality_usd: valueOfQuality } = plan.router;
	if (!rules || rules.length === 0) return NONE;
	const { endpoint, json, members } = prepared.planned.request;
	const rule = matchingRule(rules, lastUserText(endpoint, json, members));
	if (!rule) return NONE;
	const best = Math.max(0, ...plan.explanation.candidates.map(({ quality }) => quality));
	const chosen = plan.explanation.candidates.find(({ model }) => model === plan.explanation.chosen);
	const isChosen = isCannedChosen(rule, chosen?.score ?? Infinity, best, valueOfQuality);
	const told = { id: rule.id, score: cannedScore(rule, best, valueOfQuality), chosen: isChosen };
	const explained: ModelRoute = { ...route, plan: { ...plan, explanation: { ...plan.explanation, rule: told } } };
	return { answer: isChosen ? await answerOf(prepared, explained, rule, call) : null, explained };
}

async function answerOf(prepared: Prepared, { plan }: ModelRoute, rule: Rule, call: Call): Promise<Response> {
	const { id, planned, startedAt } = prepared;
	const { request } = planned;
	const hold = await holdFree(prepared, call);
	if (!hold.ok) return errorResponse(hold.error, id);
	const part = { model: RULE_MODEL, status: 200, outcome: "ok" as const, rule: rule.id };
	settleFree(prepared, call, { ...part, route: routeText(plan.explanation) }, hold.value);
	const said = { id, created: Math.floor(startedAt), model: RULE_MODEL, choices: request.choicesGiven };
	const { endpoint } = request;
	const isChat = endpoint === "chat";
	const body = request.stream ? cannedStream(rule, isChat, said, request.includeUsage) : cannedBody(rule, isChat, said);
	return new Response(body, {
		headers: {
			"content-type": request.stream ? "text/event-stream" : "application/json",
			"x-isobar-request-id": id,
			"x-isobar-model": RULE_MODEL,
			"x-isobar-router": plan.router.id,
			"x-isobar-rule": rule.id,
		},
	});
}
