import type { ErrorCode } from "../http/errors.ts";
import { routeIn } from "../ledger/records.ts";
import type { RequestRecord } from "../ledger/messages.ts";
import { err, ok, type Result } from "../result.ts";
import { RULE_MODEL } from "./canned.ts";
import type { RoutedAnswer } from "./outcome.ts";

/** An answer that a router has had a part in. */
export interface RouterAnswer {
	readonly router: string;
	readonly answer: RoutedAnswer;
}

/** What of an answer the client has seen, so that it can tell how good it is. */
const ANSWERED: ReadonlySet<string> = new Set(["ok", "cut", "client_gone"]);

/** What a record tells of how its model came to answer, or why its answer teaches a router nothing. */
export function routedAnswer(
	record: RequestRecord,
): Result<RouterAnswer, Extract<ErrorCode, "request_not_routed" | "request_not_answered">> {
	const route = routeIn(record);
	// A rule is no model, also where its answer was kept.
	if (route === null || route.judge_of !== undefined || record.model === RULE_MODEL) return err("request_not_routed");
	if (record.status !== 200 || !ANSWERED.has(record.outcome)) return err("request_not_answered");
	const { model } = record;
	// What was kept is no new draw, however often it is given; and nothing was sent beside it.
	const wasAsked = record.cache === undefined;
	// Whoever answered in place of the model that was drawn was not drawn.
	const wasDrawn = wasAsked && (route.explored || route.shadow_of !== undefined) && model === route.chosen;
	return ok({
		router: route.router,
		answer: {
			request: record.id,
			at: record.created,
			key: record.key,
			model,
			prompt: route.prompt,
			domains: route.domains,
			card: route.candidates.find((candidate) => candidate.model === model)?.card ?? null,
			explored: route.explored && wasDrawn,
			propensity: wasDrawn ? route.propensity : 1,
			shadowOf: wasDrawn ? (route.shadow_of ?? null) : null,
			shadowed: wasAsked && route.shadow !== undefined,
		},
	});
}
