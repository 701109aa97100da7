import { admits } from "../admission/health.ts";
import type { Load } from "../admission/reservations.ts";
import { capabilityBits } from "../catalog/snapshot.ts";
import { congestionUsd, marginalUsd } from "../money/pricing.ts";
import { objectiveTerms, scoreOf, type Estimate } from "../objective/objective.ts";
import { expectedRoom, expectedTpot, expectedTtft, rates, type LearnedRates } from "../perf/replica-model.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import { LIKELY_COLD } from "../warmth/replica-warmth.ts";
import type { PlanOption } from "../warmth/plan.ts";
import type { Start } from "../warmth/start.ts";
import { expectedExcess } from "../objective/lognormal.ts";
import { barredBy } from "./barred.ts";
import { contextNeed } from "./context-need.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import { REJECTIONS, type Explanation, type Rejection } from "./explanation.ts";
import type { AssignRequest, RankedReplica, ReplicaName } from "./messages.ts";
import type { Spilled } from "./warmths.ts";

/** What the decision needs to know besides the fleet. */
export interface Circumstances {
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	/** Where the conversation was last; undefined where that is not known, or the prefix tells more. */
	readonly session: ReplicaName | undefined;
	load(replica: ReplicaState): Load;
	roundTrip(replica: ReplicaState): Seconds;
	/** Prompt tokens that the replica is expected to have in its prefix cache; fewer than all. */
	cached(replica: ReplicaState): Tokens;
	/** Whether any pool of the fleet scales to zero. */
	readonly scales: boolean;
	/** Null for a replica that is always there. */
	start(replica: ReplicaState): Start | null;
	/** The provider of a replica that the request waits for already, which is not to be asked twice. */
	readonly besides?: string;
}

export interface Decision {
	/** The least score; infinite where there is no candidate. */
	readonly score: Usd;
	/** Candidates, the least score first; at most three. */
	readonly ranked: readonly RankedReplica[];
	/** Of each of these, what its score rests on. */
	readonly estimates: readonly Estimate[];
	readonly explanation: Explanation;
	/** How many replicas each rule rejected. */
	readonly rejections: ReadonlyMap<Rejection, number>;
	/** Seconds until the first replica that is aside may be asked again; infinite when none is. */
	readonly recoversIn: Seconds;
	/** Candidates that are likely to be cold. */
	readonly cold: readonly Spilled[];
	/** What the replicas that are paid by time would be worth if they were up and nobody else was there; and the best of those that are
	 *  paid by the token. */
	readonly options: readonly PlanOption<ReplicaState>[];
	readonly otherwise: Usd;
}

/** The estimate of the prompt may be this much too high before a replica is ruled out for its context: the pool itself
 *  counts exactly. */
const CONTEXT_DOUBT = 0.85;
const RANKED_MAX = 3;
/** A replica that had the conversation before wins over one that is better by less than this. */
const SESSION_SHARE = 0.02;

/** Scores every replica that passes the hard rules by the one objective. Pure: nothing is reserved. */
export function decide(fleet: Fleet, request: AssignRequest, circumstances: Circumstances, now: Seconds): Decision {
	const { promptTokens, outputTokens, scales, besides } = circumstances;
	const needs = capabilityBits(request.needs);
	const context = contextNeed(request, promptTokens);
	const rejected: number[] = [];
	const values: number[] = [];
	const rejections = new Map<Rejection, number>();
	const best: Ranked[] = [];
	const cold: Spilled[] = [];
	let recoversIn = Infinity;
	const options: PlanOption<ReplicaState>[] = [];
	let otherwise = Infinity;

	const reject = (rule: Rejection, need = 0, has = 0): void => {
		rejected.push(1 + REJECTIONS.indexOf(rule));
		values.push(need, has, 0, 0, 0, 0, 0, 0);
		if (scales) values.push(0, 0, 0, 0);
		rejections.set(rule, (rejections.get(rule) ?? 0) + 1);
	};

	for (const replica of fleet.replicas) {
		const { entry } = replica;
		const { pool } = entry;
		if (request.exclude.includes(entry.name)) {
			reject("excluded");
			continue;
		}
		if (pool.pool.place.provider === besides) {
			reject("same_provider");
			continue;
		}
		if ((pool.capabilityBits & needs) !== needs) {
			reject("capability");
			continue;
		}
		if (context.prompt * CONTEXT_DOUBT + context.answer > pool.contextLength) {
			reject("context", context.prompt + context.answer, pool.contextLength);
			continue;
		}
		const barred = barredBy(request.policy, pool);
		if (barred !== null) {
			reject(barred, request.policy.contextMin, pool.contextLength);
			continue;
		}
		const load = circumstances.load(replica);
		const admission = admits(replica.health, entry.maxConcurrency, now);
		if (admission.limit === 0) {
			const seconds = secondsAside(replica, now);
			recoversIn = Math.min(recoversIn, seconds);
			reject("unhealthy", 0, seconds);
			continue;
		}
		if (load.inFlight >= admission.limit) {
			reject(admission.reason === "healthy" ? "concurrency" : "slow_start", load.inFlight, admission.limit);
			continue;
		}
		// To one that sleeps nothing may be sent; but what it would score decides whether it is woken.
		const isShut = replica.warmth?.limit === 0;
		if (replica.warmth !== null && load.inFlight >= replica.warmth.limit && !isShut) {
			reject("waking", load.inFlight, replica.warmth.limit);
			continue;
		}
		if (request.retry && replica.retryBudget.balance(now) < 1) {
			reject("retry_budget");
			continue;
		}

		const learned = rates(replica.model, now);
		const start = replica.warmth === null ? null : circumstances.start(replica);
		const held = circumstances.cached(replica);
		const cached = start === null ? held : Math.floor(held * (1 - start.probability));
		const uncached = promptTokens - cached;
		const ttft =
			circumstances.roundTrip(replica) +
			roomSeconds(replica.roomTokens, load, uncached + outputTokens, learned) +
			expectedTtft(learned, { pending: load.pendingTokens, uncached });
		const outputSeconds = outputTokens * expectedTpot(learned, load.inFlight + 1);
		const seconds = ttft + outputSeconds;
		const tokens = { prompt: promptTokens, cached, output: outputTokens };
		const occupancy = { inFlight: load.inFlight, limit: entry.maxConcurrency };
		const marginal = marginalUsd(pool.pricing, tokens, seconds, occupancy);
		const delay = start === null ? 0 : start.probability * start.seconds;
		// In flight while the replica starts, a request is billed for its share of that time too.
		const expectedUsd = delay > 0 ? marginalUsd(pool.pricing, tokens, seconds + delay, occupancy) : marginal;
		if (request.policy.priceCeiling !== null && expectedUsd > request.policy.priceCeiling) {
			reject("price_ceiling", expectedUsd, request.policy.priceCeiling);
			continue;
		}
		if (scales) {
			const { valueOfSecond, lateSecond, ttftGoal } = request.policy;
			const alone =
				circumstances.roundTrip(replica) + expectedTtft(learned, { pending: 0, uncached: promptTokens - held });
			const usd =
				valueOfSecond * (alone + outputTokens * expectedTpot(learned, 1)) +
				lateSecond * expectedExcess(alone, learned.ttftSigma, ttftGoal);
			if (pool.pricing.per === "token") otherwise = Math.min(otherwise, usd + marginal);
			else {
				const step = learned.stepSeconds / entry.maxConcurrency + learned.stepSecondsPerSequence;
				const work = (promptTokens - held) / learned.prefillTokensPerSecond + outputTokens * step;
				options.push({ replica, usd, work });
			}
		}
		const isPaid = start !== null && start.probability < LIKELY_COLD && replica.warmth?.isPlanned === true;
		const estimate: Estimate = {
			marginalUsd: isPaid ? 0 : marginal,
			congestionUsd: congestionUsd(pool.pricing, seconds, occupancy),
			ttft,
			ttftSigma: learned.ttftSigma,
			outputSeconds,
			uncachedTokens: uncached,
			prefillTokensPerSecond: learned.prefillTokensPerSecond,
			inFlight: load.inFlight,
			decoding: load.decoding,
			decodeDelay: outputTokens * learned.stepSecondsPerSequence,
			utilisation: replica.utilisation.perSecond(now),
			start,
		};
		const terms = objectiveTerms(estimate, request.policy);
		if (start !== null && start.probability >= LIKELY_COLD) {
			const warmTerms = objectiveTerms({ ...estimate, start: null }, request.policy);
			const wait = terms.time - warmTerms.time + terms.late - warmTerms.late;
			// One that is waking already is paid for.
			const startUsd = start.usd > 0 ? startSecondsUsd(replica, start) : 0;
			const idleUsd = replica.warmth?.pool.idleUsdOf(warmTerms.money) ?? 0;
			cold.push({ replica, warmScore: scoreOf(warmTerms), idleUsd, waitUsd: wait + startUsd });
		}
		if (isShut) {
			reject("waking", load.inFlight, 0);
			continue;
		}
		rejected.push(0);
		values.push(
			terms.money,
			terms.congestion,
			terms.time,
			terms.late,
			terms.harm,
			ttft + delay,
			seconds + delay,
			cached,
		);
		if (scales) values.push(terms.start ?? 0, terms.regret ?? 0, start?.probability ?? 0, start?.seconds ?? 0);
		const score = scoreOf(terms) * (entry.name === circumstances.session ? 1 - SESSION_SHARE : 1);
		if (best.length === RANKED_MAX && score >= best[RANKED_MAX - 1]!.score) continue;
		const ranked = {
			replica: entry.name,
			pool: pool.id,
			expectedTtft: ttft + delay,
			expectedSeconds: seconds + delay,
			expectedUsd,
			expectedCachedTokens: cached,
			startSecondsMax: delay > 0 ? start!.secondsMax : 0,
		};
		keepBest(best, { score, ranked, estimate });
	}
	return {
		score: best[0]?.score ?? Infinity,
		ranked: best.map((b) => b.ranked),
		estimates: best.map((b) => b.estimate),
		explanation: { replicas: fleet.names, rejected, values },
		rejections,
		recoversIn,
		cold,
		options,
		otherwise,
	};
}

interface Ranked {
	readonly score: Usd;
	readonly ranked: RankedReplica;
	readonly estimate: Estimate;
}

function keepBest(best: Ranked[], next: Ranked): void {
	// Equal scores keep the catalog's order.
	let at = best.length;
	while (at > 0 && best[at - 1]!.score > next.score) at--;
	best.splice(at, 0, next);
	if (best.length > RANKED_MAX) best.pop();
}

/** E[seconds] that a request which needs `tokens` more of a KV cache of `capacity` waits until those in flight have made room. */
export function roomSeconds(capacity: Tokens, load: Load, tokens: Tokens, learned: LearnedRates): Seconds {
	const { residentTokens: resident, inFlight } = load;
	// Most replicas have room, and need no further arithmetic.
	if (resident + tokens <= capacity || inFlight === 0) return 0;
	const decodeSeconds = (load.outputTokens / inFlight) * expectedTpot(learned, inFlight);
	return expectedRoom({ resident, need: tokens }, capacity, decodeSeconds);
}

/** What the seconds of a start cost, without the idle ones after it, which are another matter. */
function startSecondsUsd({ warmth }: ReplicaState, { probability, seconds }: Start): Usd {
	return probability * (warmth?.pool.usdPerSecond ?? 0) * seconds;
}

function secondsAside({ health }: ReplicaState, now: Seconds): Seconds {
	const until = health.phase.kind === "aside" ? health.phase.until : now;
	return Math.max(until, health.busyUntil) - now;
}
