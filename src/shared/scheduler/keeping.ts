import type { Seconds, Usd } from "../units.ts";
import { idleTimeoutCall, letGoCall } from "../warmth/engine-calls.ts";
import type { Outlook } from "../warmth/outlook.ts";
import type { PoolWarmth } from "../warmth/pool-warmth.ts";
import type { ReplicaWarmth } from "../warmth/replica-warmth.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import { Plan } from "../warmth/plan.ts";
import { ActLog, type Act } from "./acts.ts";
import type { ReplicaState } from "./fleet.ts";
import type { Spilled, Warmths } from "./warmths.ts";

/** A call to make now, so that a replica stays warm, goes cold, or goes cold after another time. */
export interface KeepingCall {
	readonly kind: Exclude<Act["act"], "wake">;
	readonly replica: ReplicaState;
	/** The new idle time-out, of an `idle_timeout`. */
	readonly seconds?: Seconds;
}

/** Between two looks at all replicas. */
const LOOK_EVERY: Seconds = 1;
/** Between two plans. */
const PLAN_EVERY: Seconds = 10;
/** A replica is kept by a call this long before it would go cold, or half of its time-out before if that is less. */
const AHEAD: Seconds = 10;
/** Before so many gaps are known nothing is started for what is likely to come: what has been spilled decides alone. */
const GAPS_TO_START = 3;
/** So many gaps make a pattern that a provider's time-out may be set by. */
const GAPS_MIN = 20;
/** A time-out is set again when it should be so many times what it is, or the inverse, and not too often; providers restart workers
 *  for it. The first ones rest on little: the time until the next doubles with each, up to an hour. */
const TIMEOUT_RATIO = 1.5;
const TIMEOUT_PAUSE_MIN: Seconds = 120;
const TIMEOUT_PAUSE_MAX: Seconds = 3_600;

/** Keeps replicas that scale to zero warm while the next request is likely enough, lets them go when it is not, and has them
 *  started before it comes; counts, for that, all requests that a replica would have served had it been warm. */
export class Keeping {
	readonly log = new ActLog();
	/** Which replicas are worth being up all the time. */
	readonly plan = new Plan<ReplicaState>();
	#plannedAt: Seconds = -Infinity;
	readonly #warmths: Warmths;
	readonly #waiting: () => number;
	/** Replicas that a call is under way to, and how long they had not been used when it was made. */
	readonly #called = new Map<ReplicaState, Seconds | null>();
	/** Cold ones that should be started now. */
	#starts: ReadonlyMap<ReplicaState, Record<string, number>> = new Map();
	/** When a pool's time-out may be set again, and the pause after that. */
	readonly #timeouts = new WeakMap<PoolWarmth, { readonly from: Seconds; readonly pause: Seconds }>();
	#lookedAt: Seconds = -Infinity;
	#nextAt: Seconds = Infinity;

	/** `waiting`: how many requests stand in the waiting room. */
	constructor(warmths: Warmths, waiting: () => number) {
		this.#warmths = warmths;
		this.#waiting = waiting;
	}

	/** A request went to `chosen` at `score`, or to the waiting room (null); `cold`: those that are likely cold, that one perhaps
	 *  among them. */
	asked(chosen: ReplicaState | null, score: Usd, cold: readonly Spilled[], now: Seconds): void {
		const joined = chosen === null ? best(cold) : cold.find(({ replica }) => replica === chosen);
		if (joined) this.#missed(joined, joined.waitUsd, false, now);
		else chosen?.warmth?.demand.arrived(now);
		const paid = joined ? joined.warmScore + joined.waitUsd : score;
		// One of the replicas of a pool would have served it.
		const first = new Map<PoolWarmth, Spilled>();
		for (const each of cold) {
			const { warmth } = each.replica;
			if (
				!warmth ||
				each === joined ||
				each.warmScore - (warmth.isPlanned ? each.idleUsd : 0) >= paid ||
				warmth.pool === chosen?.warmth?.pool
			)
				continue;
			const known = first.get(warmth.pool);
			if (!known || each.warmScore < known.warmScore) first.set(warmth.pool, each);
		}
		// To be warm costs the price of all seconds until the next request, those in which it is served among them.
		for (const each of first.values()) this.#missed(each, paid - each.warmScore + each.idleUsd, true, now);
	}

	#missed({ replica: { warmth } }: Spilled, usd: Usd, isPassed: boolean, now: Seconds): void {
		if (!warmth) return;
		warmth.demand.arrived(now);
		warmth.missed(usd, isPassed, this.#warmths.othersWaking(warmth));
	}

	/** When there is something to do next; Infinity: not before something else happens. */
	get nextAt(): Seconds {
		return this.#nextAt;
	}

	/** A replica is no longer in use: from now on it may go cold. */
	lookAgain(): void {
		this.#lookedAt = -Infinity;
	}

	/** Whether a cold replica is to be started now, and by which numbers. */
	startFor(replica: ReplicaState): Record<string, number> | undefined {
		return this.#starts.get(replica);
	}

	/** Whether a replica that is started now, and is up at `at`, would be kept then if nobody had come, and those who usually come after
	 *  that are worth the start. Where an idle second costs nothing, it is. */
	wouldKeep({ warmth }: ReplicaState, at: Seconds): boolean {
		const elapsed = warmth?.demand.elapsed(at) ?? null;
		if (!warmth || elapsed === null || warmth.pool.idleUsdPerSecond === 0 || warmth.isPlanned) return true;
		const outlook = warmth.outlook(this.#warmths.othersWaking(warmth));
		return outlook.letGoAt(elapsed) > elapsed && outlook.outlastsStart;
	}

	/** While a call to it is under way nothing else is done to it. */
	isCalled(replica: ReplicaState): boolean {
		return this.#called.has(replica);
	}

	/** The calls to make now. Whoever makes them says how they ended, by `done`. */
	due(now: Seconds): KeepingCall[] {
		const isEarly = now - this.#lookedAt < LOOK_EVERY && now < this.#nextAt;
		if (!this.#warmths.any || isEarly) return [];
		this.#lookedAt = now;
		this.#nextAt = Infinity;
		if (now - this.#plannedAt >= PLAN_EVERY) this.#makePlan(now);
		const starts = new Map<ReplicaState, Record<string, number>>();
		const calls: KeepingCall[] = [];
		for (const replica of this.#warmths.scaling) {
			const { warmth } = replica;
			const elapsed = warmth?.demand.elapsed(now) ?? null;
			// Where an idle second costs nothing there is nothing to weigh.
			if (!warmth || elapsed === null || warmth.pool.idleUsdPerSecond === 0 || this.#called.has(replica)) continue;
			const outlook = warmth.outlook(this.#warmths.othersWaking(warmth));
			const call = this.#callFor(replica, warmth, outlook, elapsed, now);
			if (call) calls.push(call);
			else if (this.#isToStart(replica, warmth, outlook, elapsed, now))
				starts.set(replica, numbersOf(outlook, elapsed));
		}
		this.#starts = starts;
		for (const { replica } of calls) this.#called.set(replica, replica.warmth!.gap(now));
		return calls;
	}

	/** A call that was due was answered: `signal` is how the replica stands, null where that is not told; or it failed. */
	done({ kind, replica, seconds }: KeepingCall, signal: WarmthSignal | null, isDone: boolean, now: Seconds): void {
		const gap = this.#called.get(replica) ?? null;
		this.#called.delete(replica);
		this.lookAgain();
		const { warmth } = replica;
		if (!warmth) return;
		if (kind === "idle_timeout") {
			if (isDone) warmth.pool.idleIs(seconds!);
		} else if (kind === "let_go" && !isDone) {
			this.#warmths.observe(replica, { state: "warm", at: now, source: "let_go_failed" }, now);
		} else if (kind === "keep" && signal) {
			// One that had gone cold before starts by this call: its time-out is shorter than was thought.
			if (gap !== null && signal.state === "waking") warmth.pool.observeGap(gap, true);
			this.#warmths.observe(replica, signal, now);
		}
	}

	#makePlan(now: Seconds): void {
		this.#plannedAt = now;
		const { scaling, fixed } = this.#warmths;
		const usdPerSecond = ({ warmth }: ReplicaState): Usd => warmth?.pool.idleUsdPerSecond ?? 0;
		const kept = scaling.filter(
			(replica) => usdPerSecond(replica) > 0 && replica.entry.pool.pool.scale_to_zero?.keep_warm === true,
		);
		this.plan.update(kept, fixed, usdPerSecond, now);
		for (const replica of scaling) {
			if (replica.warmth) replica.warmth.isPlanned = this.plan.has(replica);
		}
	}

	#callFor(
		replica: ReplicaState,
		warmth: ReplicaWarmth,
		outlook: Outlook,
		elapsed: Seconds,
		now: Seconds,
	): KeepingCall | undefined {
		const zero = replica.entry.pool.pool.scale_to_zero!;
		const state = warmth.state(now);
		if (zero.let_go) {
			const seconds = this.#timeoutFor(replica, warmth, outlook, now);
			if (seconds !== undefined) {
				this.#note("idle_timeout", replica, outlook, elapsed, now, { idle_seconds: seconds });
				return { kind: "idle_timeout", replica, seconds };
			}
		}
		if (state !== "warm" || warmth.isUsed) return undefined;
		// Whoever waits may be about to be given a place there.
		if (zero.let_go && zero.sole_tenant && this.#waiting() === 0 && letGoCall(replica.entry)) {
			const in_ = outlook.letGoAt(elapsed) - elapsed;
			if (in_ <= 0) {
				this.#note("let_go", replica, outlook, elapsed, now);
				this.#warmths.letGo(replica, now);
				return { kind: "let_go", replica };
			}
			this.#again(now + in_);
		}
		const idleAt = warmth.idleAt;
		if (!zero.keep_warm || idleAt === Infinity) return undefined;
		const { idle } = warmth.pool.idleness;
		const keepAt = idleAt - Math.min(AHEAD, idle / 2);
		if (now < keepAt) {
			this.#again(keepAt);
			return undefined;
		}
		if (!warmth.isPlanned && !outlook.isWorthKeeping(elapsed, idle)) {
			// Once it is cold it may have to be started again.
			this.#again(idleAt + LOOK_EVERY);
			return undefined;
		}
		this.#note("keep", replica, outlook, elapsed, now);
		return { kind: "keep", replica };
	}

	#isToStart(replica: ReplicaState, warmth: ReplicaWarmth, outlook: Outlook, elapsed: Seconds, now: Seconds): boolean {
		const state = warmth.state(now);
		if (!replica.entry.pool.pool.scale_to_zero!.keep_warm || (state !== "cold" && state !== "asleep")) return false;
		if (warmth.demand.seen < GAPS_TO_START) return false;
		const in_ = outlook.startAt(elapsed) - elapsed;
		// In the middle of a burst.
		if (elapsed < warmth.start(0, now).seconds && !outlook.outlastsStart) return false;
		if (in_ > 0) this.#again(now + in_);
		return in_ <= 0;
	}

	/** The idle time-out to set at its provider; undefined where it is well as it is. */
	#timeoutFor(
		{ entry }: ReplicaState,
		{ pool, demand }: ReplicaWarmth,
		outlook: Outlook,
		now: Seconds,
	): Seconds | undefined {
		const { from, pause } = this.#timeouts.get(pool) ?? { from: -Infinity, pause: TIMEOUT_PAUSE_MIN };
		if (demand.seen < GAPS_MIN || now < from) return undefined;
		const wanted = idleTimeoutCall(entry, outlook.letGoAt(0));
		if (!wanted) return undefined;
		const ratio = wanted.seconds / pool.idleness.idle;
		if (ratio < TIMEOUT_RATIO && ratio > 1 / TIMEOUT_RATIO) return undefined;
		this.#timeouts.set(pool, { from: now + pause, pause: Math.min(TIMEOUT_PAUSE_MAX, 2 * pause) });
		return wanted.seconds;
	}

	#again(at: Seconds): void {
		this.#nextAt = Math.min(this.#nextAt, at);
	}

	#note(
		act: Act["act"],
		{ entry }: ReplicaState,
		outlook: Outlook,
		elapsed: Seconds,
		now: Seconds,
		more?: Record<string, number>,
	): void {
		this.log.add({
			at: now,
			replica: entry.name,
			act,
			reason: "demand",
			because: { ...numbersOf(outlook, elapsed), ...more },
		});
	}
}

function best(cold: readonly Spilled[]): Spilled | undefined {
	return cold.toSorted((a, b) => a.warmScore - b.warmScore)[0];
}

function numbersOf(outlook: Outlook, elapsed: Seconds): Record<string, number> {
	const { perSecond, breakEven } = outlook.hazard(elapsed);
	return {
		elapsed_seconds: elapsed,
		requests_per_second: perSecond,
		break_even_per_second: breakEven,
		loss_usd: outlook.lossUsd,
	};
}
