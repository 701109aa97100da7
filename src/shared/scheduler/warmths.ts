import { onWoken } from "../admission/health.ts";
import type { Load } from "../admission/reservations.ts";
import type { Seconds, Usd } from "../units.ts";
import { coldPosterior, sumOf, type Expected } from "../warmth/mixture.ts";
import { PoolWarmth, type StoredPoolWarmth } from "../warmth/pool-warmth.ts";
import { LIKELY_COLD, ReplicaWarmth, type StoredWarmth } from "../warmth/replica-warmth.ts";
import { wakingAge } from "../warmth/belief.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import { startTold } from "../warmth/signals/answer.ts";
import type { Start } from "../warmth/start.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import type { LearnedState } from "./learned.ts";
import type { Ended, RankedReplica } from "./messages.ts";
import type { Wake } from "./wakes.ts";

/** Spread of the logarithm of a whole answer's seconds about what is expected: mostly that of its length. */
export const WHOLE_SIGMA = 0.8;

/** A status that says cold may be behind a request that has begun a start. */
const STATUS_LAG: Seconds = 15;
/** A replica that was in use or seen warm so shortly before is full, whatever it answers. */
const IN_USE: Seconds = 1;
/** The answer of a warm replica to a call that was to wake it. */
const PROMPT_ANSWER: Expected = { mean: 0.2, sigma: 1 };

/** What was expected of a request when it was sent to a replica that scales to zero. */
export interface WarmthFlight {
	readonly start: Start;
	/** To the first token, and to the last, if the replica was warm. */
	readonly ttft: Expected;
	readonly whole: Expected;
	/** Seconds since the replica was last in use; null where it was, or that says nothing. */
	readonly gap: Seconds | null;
	/** Whether it had to wait for a start; null until that is known. */
	cold: boolean | null;
	/** How long, if it had. */
	waited: Seconds;
}

/** A replica that is likely to be cold, and what a request would score if it was warm. */
export interface Spilled {
	readonly replica: ReplicaState;
	readonly warmScore: Usd;
	/** What of that is paid for seconds in which it would be up anyway, were it kept warm. */
	readonly idleUsd: Usd;
	/** What it would score more than that there now: the wait for the start, and the start's seconds. */
	readonly waitUsd: Usd;
}

/** The warmth of a fleet's replicas, in terms of requests. Where no pool scales to zero nothing is done. */
export class Warmths {
	#scaling: readonly ReplicaState[] = [];
	#fixed: readonly ReplicaState[] = [];
	/** Pools that are waking, by provider, as of the last `look`. */
	#waking = new Map<string, Set<PoolWarmth>>();
	readonly #pools = new Map<string, PoolWarmth>();
	#isChanged = false;

	/** Whether any replica has come to another state since this was last asked. */
	takeChange(): boolean {
		const isChanged = this.#isChanged;
		this.#isChanged = false;
		return isChanged;
	}

	/** Whether any pool scales to zero. */
	get any(): boolean {
		return this.#scaling.length > 0;
	}

	/** The replicas that are always there and paid by time. */
	get fixed(): readonly ReplicaState[] {
		return this.#fixed;
	}

	/** The replicas of pools that do. */
	get scaling(): readonly ReplicaState[] {
		return this.#scaling;
	}

	/** Pools of which a replica is waking. */
	wakingPools(now: Seconds): Set<PoolWarmth> {
		return new Set(this.#scaling.flatMap(({ warmth }) => (warmth?.state(now) === "waking" ? [warmth.pool] : [])));
	}

	/** Follows the fleet: what is known of replicas that left or moved is forgotten. */
	configure({ replicas }: Fleet, learned: LearnedState | undefined): void {
		const pools = new Map<string, PoolWarmth>();
		for (const replica of replicas) {
			const { name, baseUrl, maxConcurrency, pool } = replica.entry;
			const settings = pool.pool.scale_to_zero;
			if (!settings) {
				replica.warmth = null;
				continue;
			}
			let common = pools.get(pool.id);
			if (!common) {
				const stored = this.#pools.get(pool.id)?.stored() ?? learned?.warmth?.[pool.id];
				pools.set(pool.id, (common = new PoolWarmth(pool, settings, stored)));
			}
			const known = learned?.replicas[name];
			const stored = known?.baseUrl === baseUrl ? known.warmth : undefined;
			replica.warmth = new ReplicaWarmth(common, maxConcurrency, replica.warmth ?? stored);
		}
		this.#pools.clear();
		for (const [id, pool] of pools) this.#pools.set(id, pool);
		this.#scaling = replicas.filter(({ warmth }) => warmth !== null);
		this.#fixed = replicas.filter(({ warmth, entry }) => !warmth && entry.pool.pricing.per === "gpu_second");
		this.#waking.clear();
	}

	/** Brings all beliefs up to `now`. `onCold`: the replica has gone cold, and what its caches held is gone. */
	look(load: (replica: ReplicaState) => Load, onCold: (replica: ReplicaState) => void, now: Seconds): void {
		if (!this.any) return;
		this.#waking.clear();
		for (const { warmth } of this.#scaling) {
			if (warmth?.state(now) !== "waking") continue;
			const { pool } = warmth;
			const waking = this.#waking.get(pool.provider);
			if (waking) waking.add(pool);
			else this.#waking.set(pool.provider, new Set([pool]));
		}
		for (const replica of this.#scaling) {
			const { warmth } = replica;
			if (warmth?.look(load(replica).inFlight > 0, this.othersWaking(warmth), now)) onCold(replica);
		}
	}

	/** What a request that is sent there now may have to wait for; null where it is always there. */
	start({ warmth }: ReplicaState, now: Seconds): Start | null {
		return warmth && warmth.start(this.othersWaking(warmth), now);
	}

	/** A request goes to `replica`, chosen with these expectations, which hold the wait for a start. */
	sent(
		replica: ReplicaState,
		reservation: string,
		{ expectedTtft, expectedSeconds }: RankedReplica,
		ttftSigma: number,
		now: Seconds,
	): WarmthFlight | null {
		const { warmth } = replica;
		if (!warmth) return null;
		const start = warmth.start(this.othersWaking(warmth), now);
		const wait = start.probability * start.seconds;
		const ttft = { mean: expectedTtft - wait, sigma: ttftSigma };
		const whole = { mean: expectedSeconds - wait, sigma: WHOLE_SIGMA };
		const flight = { start, ttft, whole, gap: warmth.gap(now), cold: null, waited: 0 };
		this.#moving(warmth, () => warmth.sent(reservation, now));
		return flight;
	}

	/** A request that scored `score` went to a replica that is likely to be warm, past these. Replicas of one pool share the
	 *  regret: one of them is to be started, not all. */
	spilled(past: readonly Spilled[], score: Usd, now: Seconds): void {
		const premiums = new Map<PoolWarmth, Usd>();
		for (const { replica, warmScore, idleUsd } of past) {
			const pool = replica.warmth?.pool;
			// One is on its way.
			if (!pool || this.#waking.get(pool.provider)?.has(pool)) continue;
			// It would have gone there anyway.
			if (warmScore - (replica.warmth?.isPlanned ? idleUsd : 0) >= score) continue;
			// The price of the pool runs against it in all seconds, those of this request among them.
			premiums.set(pool, Math.max(premiums.get(pool) ?? 0, score - warmScore + idleUsd));
		}
		for (const [pool, premium] of premiums) pool.regretted(premium, now);
	}

	/** Its first token came after so many seconds, or, where that is not known, the `whole` answer; `told`: what the answer said of
	 *  the replica's warmth. `onCold` as for `look`. False where nothing was to be learned from it. */
	answered(
		flight: { readonly replica: ReplicaState; readonly assignedAt: Seconds; readonly warmth: WarmthFlight | null },
		reservation: string,
		seconds: Seconds,
		until: "first" | "whole",
		told: WarmthSignal | undefined,
		onCold: (replica: ReplicaState) => void,
		now: Seconds,
	): boolean {
		const { replica, assignedAt, warmth: expected } = flight;
		const { warmth } = replica;
		if (!warmth || !expected || expected.cold !== null) return false;
		const { start, gap } = expected;
		const warm = until === "first" ? expected.ttft : expected.whole;
		const late = sumOf(warm, { mean: start.seconds, sigma: start.sigma });
		const label = told?.coldSeconds;
		const isCold = (told && startTold(told)) ?? coldPosterior(start.probability, seconds, warm, late) >= LIKELY_COLD;
		expected.cold = isCold;
		if (!isCold) warmth.trust.shown(true, now);
		if (gap !== null) warmth.pool.observeGap(gap, isCold);
		// It went cold unseen.
		if (isCold && start.probability < LIKELY_COLD) onCold(replica);
		const waited = isCold ? (label ?? Math.max(0, seconds - warm.mean)) : null;
		expected.waited = Math.min(waited ?? 0, seconds);
		const at = Math.min(now, assignedAt + seconds);
		// That there was an answer is known without its saying so.
		const source = told?.source === "answer" ? undefined : told?.source;
		this.#moving(warmth, () => {
			const isFirst = warmth.answered({ sentAt: assignedAt, at, waited, source }, this.othersWaking(warmth), now);
			if (isFirst) replica.health = onWoken(replica.health, now);
		});
		warmth.gone(reservation);
		return true;
	}

	/** It is over without a token, or with one that was told of before. Undefined: nothing more is known. */
	unanswered(
		replica: ReplicaState,
		reservation: string,
		flight: WarmthFlight,
		ended: Ended | undefined,
		onCold: (replica: ReplicaState) => void,
		now: Seconds,
	): void {
		const { warmth } = replica;
		if (!warmth) return;
		warmth.gone(reservation);
		const told = ended?.warmth;
		const isLikely = flight.start.probability >= LIKELY_COLD;
		if (ended?.failure === "busy") {
			const { gap } = flight;
			// One that answers others is overloaded, whatever its status says elsewhere.
			if (!isLikely && gap !== null && gap < IN_USE) return;
			if (!isLikely && told?.state !== "waking") return;
			const wasMisled = told?.state === "waking" && warmth.trust.shown(false, now);
			// A gap since a status that was wrong is none.
			if (gap !== null && told?.state === "waking" && !wasMisled) warmth.pool.observeGap(gap, true);
			// It went cold unseen.
			if (!isLikely) onCold(replica);
			warmth.pool.observeRefusal();
			this.observe(replica, told ?? { state: "waking", at: now, source: "refused" }, now);
		} else if (told) {
			this.observe(replica, told, now);
		} else if (ended?.outcome === "failed" && isLikely && !warmth.isAwaited && warmth.signal?.state === "waking") {
			this.startFailed(replica, "failed", now);
		}
	}

	/** Whether to believe a status: not one that still tells of the time before a start that is under way, nor that a replica is
	 *  down that is in use, nor what was found wrong. */
	believes({ warmth }: ReplicaState, signal: WarmthSignal, now: Seconds): boolean {
		if (!warmth || !warmth.trust.believes(signal, now)) return false;
		if (signal.state !== "cold" && signal.state !== "asleep") return true;
		const known = warmth.signal;
		if (known?.state === "waking") return !warmth.isAwaited && wakingAge(known, now) >= STATUS_LAG;
		return (warmth.gap(now) ?? Infinity) >= IN_USE;
	}

	/** Takes in what somebody has seen of it. */
	observe(replica: ReplicaState, signal: WarmthSignal, now: Seconds): void {
		const { warmth } = replica;
		if (!warmth) return;
		const before = warmth.signal?.state ?? "warm";
		this.#moving(warmth, () => warmth.observe(signal, this.othersWaking(warmth), now));
		if (before !== "warm" && warmth.signal?.state === "warm") replica.health = onWoken(replica.health, now);
	}

	/** A call lets it go: from when it leaves nothing is sent there. One that failed leaves it as it was. */
	letGo({ warmth }: ReplicaState, phase: "begun" | "done" | "failed", now: Seconds): void {
		if (warmth) this.#moving(warmth, () => warmth.wasLetGo(phase !== "failed", now));
	}

	/** A start that a request or a call was to cause came to nothing. */
	startFailed({ warmth }: ReplicaState, source: string, now: Seconds): void {
		if (warmth) this.#moving(warmth, () => warmth.startFailed(source, now));
	}

	/** A call that was to wake it, made at `at`, was answered with `signal`. One that took as long as a start does tells how
	 *  long that is. */
	woken({ replica, start, at }: Wake, signal: WarmthSignal, now: Seconds): void {
		const seconds = signal.at - at;
		const cold = sumOf(PROMPT_ANSWER, { mean: start.seconds, sigma: start.sigma });
		const isLabel =
			signal.state === "warm" && coldPosterior(start.probability, seconds, PROMPT_ANSWER, cold) >= LIKELY_COLD;
		this.observe(replica, { ...signal, ...(isLabel && { coldSeconds: seconds }) }, now);
	}

	/** By pool, for `LearnedState.warmth`; that of a replica is in its own `stored()`. */
	stored(): Readonly<Record<string, StoredPoolWarmth>> {
		return Object.fromEntries([...this.#pools].map(([id, pool]) => [id, pool.stored()]));
	}

	/** Another scheduler tells what it has seen last. */
	hear(replica: ReplicaState, told: StoredWarmth): void {
		if (replica.warmth && told.signal)
			replica.warmth = new ReplicaWarmth(replica.warmth.pool, replica.entry.maxConcurrency, told);
	}

	#moving(warmth: ReplicaWarmth, act: () => void): void {
		const before = warmth.signal?.state;
		act();
		if (warmth.signal?.state !== before) this.#isChanged = true;
	}

	/** Pools of its provider that are waking, besides its own. */
	othersWaking({ pool }: ReplicaWarmth): number {
		const waking = this.#waking.get(pool.provider);
		return waking ? waking.size - (waking.has(pool) ? 1 : 0) : 0;
	}
}
