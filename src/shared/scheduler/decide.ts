import { admits } from "../admission/health.ts";
import type { Load } from "../admission/reservations.ts";
import { capabilityBits } from "../catalog/snapshot.ts";
import { congestionUsd, marginalUsd } from "../money/pricing.ts";
import { objectiveTerms, scoreOf } from "../objective/objective.ts";
import { expectedTpot, expectedTtft, rates } from "../perf/replica-model.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import { contextNeed } from "./context-need.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import { REJECTIONS, type AssignRequest, type Explanation, type RankedReplica, type Rejection } from "./messages.ts";

/** What the decision needs to know besides the fleet. */
export interface Circumstances {
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	load(replica: ReplicaState): Load;
	roundTrip(replica: ReplicaState): Seconds;
}

export interface Decision {
	/** Candidates, the least score first; at most three. */
	readonly ranked: readonly RankedReplica[];
	readonly explanation: Explanation;
	/** How many replicas each rule rejected. */
	readonly rejections: ReadonlyMap<Rejection, number>;
	/** Seconds until the first replica that is aside may be asked again; infinite when none is. */
	readonly recoversIn: Seconds;
}

/** The estimate of the prompt may be this much too high before a replica is ruled out for its context: the pool itself
 *  counts exactly. */
const CONTEXT_DOUBT = 0.85;
const RANKED_MAX = 3;

/** Scores every replica that passes the hard rules by the one objective. Pure: nothing is reserved. */
export function decide(fleet: Fleet, request: AssignRequest, circumstances: Circumstances, now: Seconds): Decision {
	const needs = capabilityBits(request.needs);
	const context = contextNeed(request, circumstances.promptTokens);
	const rejected: number[] = [];
	const values: number[] = [];
	const rejections = new Map<Rejection, number>();
	const best: { score: Usd; ranked: RankedReplica }[] = [];
	let recoversIn = Infinity;

	const reject = (rule: Rejection, need = 0, has = 0): void => {
		rejected.push(1 + REJECTIONS.indexOf(rule));
		values.push(need, has, 0, 0, 0, 0, 0);
		rejections.set(rule, (rejections.get(rule) ?? 0) + 1);
	};

	for (const replica of fleet.replicas) {
		const { entry } = replica;
		const { pool } = entry;
		if (request.exclude.includes(entry.name)) {
			reject("excluded");
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
		if (request.policy.regions && !request.policy.regions.includes(pool.pool.place.region)) {
			reject("region");
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
		if (request.retry && replica.retryBudget.balance(now) < 1) {
			reject("retry_budget");
			continue;
		}

		const learned = rates(replica.model, now);
		const ttft =
			circumstances.roundTrip(replica) +
			expectedTtft(learned, { pending: load.pendingTokens, uncached: circumstances.promptTokens });
		const outputSeconds = circumstances.outputTokens * expectedTpot(learned, load.inFlight + 1);
		const seconds = ttft + outputSeconds;
		const tokens = { prompt: circumstances.promptTokens, cached: 0, output: circumstances.outputTokens };
		const occupancy = { inFlight: load.inFlight, limit: entry.maxConcurrency };
		const marginal = marginalUsd(pool.pricing, tokens, seconds, occupancy);
		if (request.policy.priceCeiling !== null && marginal > request.policy.priceCeiling) {
			reject("price_ceiling", marginal, request.policy.priceCeiling);
			continue;
		}
		const terms = objectiveTerms(
			{
				marginalUsd: marginal,
				congestionUsd: congestionUsd(pool.pricing, seconds, occupancy),
				ttft,
				ttftSigma: learned.ttftSigma,
				outputSeconds,
				uncachedTokens: circumstances.promptTokens,
				prefillTokensPerSecond: learned.prefillTokensPerSecond,
			},
			request.policy,
		);
		rejected.push(0);
		values.push(terms.money, terms.congestion, terms.time, terms.late, terms.harm, ttft, seconds);
		keepBest(best, scoreOf(terms), {
			replica: entry.name,
			pool: pool.id,
			expectedTtft: ttft,
			expectedSeconds: seconds,
			expectedUsd: marginal,
		});
	}
	return {
		ranked: best.map((b) => b.ranked),
		explanation: { replicas: fleet.names, rejected, values },
		rejections,
		recoversIn,
	};
}

function keepBest(best: { score: Usd; ranked: RankedReplica }[], score: Usd, ranked: RankedReplica): void {
	// Equal scores keep the catalog's order.
	let at = best.length;
	while (at > 0 && best[at - 1]!.score > score) at--;
	if (at >= RANKED_MAX) return;
	best.splice(at, 0, { score, ranked });
	if (best.length > RANKED_MAX) best.pop();
}

function secondsAside({ health }: ReplicaState, now: Seconds): Seconds {
	const until = health.phase.kind === "aside" ? health.phase.until : now;
	return Math.max(until, health.busyUntil) - now;
}
