import type { WaitUntil } from "../../../src/adapters/catalog-cache.ts";
import type { Router } from "../../../src/shared/catalog/routers.ts";
import type { IsobarError } from "../../../src/shared/http/errors.ts";
import { conversationHash } from "../../../src/shared/kv/conversation.ts";
import { saltOf } from "../../../src/shared/kv/prefix-salt.ts";
import { err, ok, type Result } from "../../../src/shared/result.ts";
import { choose, type RouteChoice } from "../../../src/shared/router/choice.ts";
import { unmet, type Rejected } from "../../../src/shared/router/constraints.ts";
import { explainRoute } from "../../../src/shared/router/explain-route.ts";
import type { Unjudged } from "../../../src/shared/router/explanation.ts";
import type { OnlineView } from "../../../src/shared/router/online-view.ts";
import type { Option } from "../../../src/shared/router/options.ts";
import { promptText } from "../../../src/shared/router/prompt-text.ts";
import { refine } from "../../../src/shared/router/refine.ts";
import { routerFor, type PlannedShadow, type RoutePlan } from "../../../src/shared/router/route-plan.ts";
import { bitOf, rulesIn } from "../../../src/shared/router/rules.ts";
import { asAsked, type RouteControls } from "../../../src/shared/router/controls.ts";
import { drawShadow } from "../../../src/shared/router/shadow.ts";
import { resolveTarget } from "../../../src/shared/router/target.ts";
import { contenders, offers, type Contending, type Knowledge } from "./contenders.ts";
import { withoutDearPools } from "./dear-pools.ts";
import { requestId } from "../request-id.ts";
import { SHADOW_BODY_BYTES_MAX } from "../shadow/shadow-body.ts";
import type { Unrouted } from "./unrouted.ts";

/** Models that one request may go to, one after the other: the money for the dearest of them is reserved. */
const TRIED_MAX = 4;

/** Ranks the models that may answer a request. Fails where the target is not there, or `constraint_unmet` where no model will do. */
export async function planRoute(
	unrouted: Unrouted,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<RoutePlan, IsobarError>> {
	const { isolate, key, request, route, snapshot, edge, estimator } = unrouted;
	const { controls } = route;
	const resolved = resolveTarget(snapshot, route.target, key);
	if (!resolved.ok) return resolved;
	const router = routerFor(resolved.value.router, controls);
	const rejected: Rejected[] = resolved.value.forbidden.map((model) => ({ model, rules: bitOf("not_allowed") }));
	const contending = contenders(unrouted, resolved.value.models, router, rejected);
	if (contending.length === 0) return err(asAsked(unmet(rejected), route));

	const models = contending.map(({ model }) => model);
	await isolate.outlooks.refresh(models, snapshot.version, edge.name, env, waitUntil);
	const { endpoint, json, members } = request;
	const text = promptText(endpoint, json, members);
	const estimate = estimator?.estimate(text) ?? null;
	const conversation = `${saltOf(key)} ${conversationHash(endpoint, json, members)}`;
	const before = isolate.conversations.last(conversation, Date.now() / 1_000);
	const affordable = { ...unrouted, policy: withoutDearPools(unrouted, models) };
	const options = offers(affordable, contending, router, { estimate, before }, rejected);
	if (options.length === 0) return err(asAsked(unmet(rejected), route));

	const view = isolate.views.of(key.tenant, router.id, snapshot, env, waitUntil);
	const { choice, unjudged } = choiceAmong(options, contending, router, unrouted, { estimate, before, view });
	const mode = controls.mode ?? "route";
	const shadow = shadowBeside(choice, router, request, controls, text);
	return ok({
		mode,
		router,
		controls,
		estimator,
		estimate,
		// A cascade or a vote chooses among all of them.
		ranked: mode === "route" ? choice.drawn.order.slice(0, TRIED_MAX) : choice.drawn.order,
		explanation: explainRoute({
			router: router.id,
			mode,
			text,
			estimator,
			estimate,
			unjudged,
			choice,
			shadow: shadow?.id ?? null,
			rejected: rejected.map(({ model, rules }) => ({ model, rule: rulesIn(rules)[0]! })),
		}),
		conversation,
		shadow,
	});
}

/** Now and then another model, for a prompt that may be sent twice: its client limits neither calls nor dollars. */
function shadowBeside(
	{ drawn, candidates, rejected }: RouteChoice,
	router: Router,
	{ json, choices }: Unrouted["request"],
	{ mode = "route", max_calls: calls, max_usd: usd }: RouteControls,
	text: string,
): PlannedShadow | null {
	const isLimited = calls !== undefined || usd !== undefined;
	const { share = 0 } = router.shadow ?? {};
	const u = Math.random();
	if (u >= share || mode !== "route" || isLimited || choices > 1 || json.bytes.length > SHADOW_BODY_BYTES_MAX)
		return null;
	const unproven = rejected.flatMap(({ model, rule }) => (rule === "shadow" ? [model] : []));
	const models = [...new Set([...candidates.map(({ model }) => model), ...unproven])].sort();
	const found = drawShadow(models, drawn.order[0]!.option.model.id, share, u);
	return found && { ...found, id: requestId(Date.now()), text };
}

function choiceAmong(
	options: readonly Option[],
	contending: readonly Contending[],
	router: Router,
	{ estimator, route }: Unrouted,
	{ estimate, before, view }: Knowledge & { readonly view: OnlineView | null },
): { readonly choice: RouteChoice; readonly unjudged: Unjudged | null } {
	const mode = route.controls.mode ?? "route";
	const cards = contending.map(({ card }) => card);
	const qualities = new Map(
		refine(estimate, cards, view, estimator?.domains ?? []).map((quality, index) => [cards[index]!.id, quality]),
	);
	const judged = options.map((option) => ({ option, quality: qualities.get(option.model.id)! }));
	const isUnknown = judged.every(({ quality }) => quality.shadow);
	const unjudged: Unjudged | null = estimator === null ? "weights_unavailable" : isUnknown ? "no_card" : null;
	const hasIncumbent = options.some(({ model }) => model.id === router.incumbent);
	const choice = choose(judged, {
		qualityUsd: router.quality_usd,
		// What a cheap model answers alone is not what a cascade or a vote answers.
		floor: (route.controls.mode ?? "route") === "route" ? (router.quality_floor ?? 0) : 0,
		weights: router.weights ?? {},
		incumbent: router.incumbent ?? null,
		conversation: before?.model ?? null,
		// Where nothing is like the prompt, the incumbent is safer than an estimate, and an estimate than any model.
		isJudged: unjudged === null && estimate !== null && (estimate.inDomain || !hasIncumbent),
		today: Date.now(),
		chance: { share: mode === "route" ? (router.explore_share ?? 0) : 0, u: Math.random() },
	});
	return { choice, unjudged };
}
