import { admits } from "../admission/health.ts";
import type { Seconds, Usd } from "../units.ts";
import { letGoCall } from "../warmth/engine-calls.ts";
import type { Outlook } from "../warmth/outlook.ts";
import type { ReplicaWarmth } from "../warmth/replica-warmth.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import { Plan } from "../warmth/plan.ts";
import { ActLog, type Act } from "./acts.ts";
import type { ReplicaState } from "./fleet.ts";
import { IdleTimeouts } from "./idle-timeouts.ts";
import type { Warmths } from "./warmths.ts";

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
/** After a call that failed nothing is done to that replica for so long, twice as long after each further one. */
const PAUSE_MIN: Seconds = 5;
const PAUSE_MAX: Seconds = 300;
/** Calls that are made at once; the others follow. */
const CALLS_MAX = 32;

/** Keeps replicas that scale to zero warm while the next request is likely enough, lets them go when it is not, and has them
 *  started before it comes. */
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
	readonly #starts = new Map<ReplicaState, Record<string, number>>();
	readonly #timeouts = new IdleTimeouts();
	readonly #failures = new WeakMap<ReplicaState, { readonly count: number; readonly until: Seconds }>();
	/** To be looked at before the next look at all. */
	readonly #changed = new Set<ReplicaState>();
	#isAlone = true;
	#lookedAt: Seconds = -Infinity;
	#nextAt: Seconds = Infinity;

	/** `waiting`: how many requests stand in the waiting room. */
	constructor(warmths: Warmths, waiting: () => number) {
		this.#warmths = warmths;
		this.#waiting = waiting;
	}

	/** When there is something to do next; Infinity: not before something else happens. */
	get nextAt(): Seconds {
		return this.#nextAt;
	}

	/** `shards`: schedulers among which the model's conversations are divided. What another one knows to be in use is not known
	 *  here soon enough: nothing is let go then. */
	configure(shards: number): void {
		this.#isAlone = shards === 1;
	}

	/** Something is otherwise with this replica: it is no longer in use, or a call to it has ended. */
	lookAgain(replica: ReplicaState): void {
		this.#changed.add(replica);
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
		if (!this.#warmths.any) {
			this.#nextAt = Infinity;
			return [];
		}
		const isEarly = now - this.#lookedAt < LOOK_EVERY && now < this.#nextAt;
		if (isEarly && this.#changed.size === 0) return [];
		const looked = isEarly ? this.#warmths.scaling.filter((each) => this.#changed.has(each)) : this.#warmths.scaling;
		this.#changed.clear();
		if (!isEarly) {
			this.#lookedAt = now;
			this.#nextAt = Infinity;
			this.#starts.clear();
			if (now - this.#plannedAt >= PLAN_EVERY) this.#makePlan(now);
		}
		const calls: KeepingCall[] = [];
		for (const replica of looked) {
			this.#starts.delete(replica);
			const { warmth } = replica;
			const elapsed = warmth?.demand.elapsed(now) ?? null;
			// Where an idle second costs nothing there is nothing to weigh.
			if (!warmth || elapsed === null || warmth.pool.idleUsdPerSecond === 0 || this.#called.has(replica)) continue;
			const pausesUntil = this.#failures.get(replica)?.until ?? -Infinity;
			if (now < pausesUntil || calls.length === CALLS_MAX) {
				this.#again(now < pausesUntil ? pausesUntil : now + LOOK_EVERY, now);
				continue;
			}
			const outlook = warmth.outlook(this.#warmths.othersWaking(warmth));
			const call = this.#callFor(replica, warmth, outlook, elapsed, now);
			if (call) calls.push(call);
			else if (this.#isToStart(replica, warmth, outlook, elapsed, now))
				this.#starts.set(replica, numbersOf(outlook, elapsed));
		}
		for (const { replica } of calls) this.#called.set(replica, replica.warmth!.gap(now));
		return calls;
	}

	/** A call that was due was answered: `signal` is how the replica stands, null where that is not told; or it failed. */
	done({ kind, replica, seconds }: KeepingCall, signal: WarmthSignal | null, isDone: boolean, now: Seconds): void {
		const gap = this.#called.get(replica) ?? null;
		this.#called.delete(replica);
		this.lookAgain(replica);
		const { warmth } = replica;
		if (!warmth) return;
		if (isDone) this.#failures.delete(replica);
		else this.#pause(replica, now);
		if (kind === "idle_timeout") {
			if (isDone) warmth.pool.idleIs(seconds!);
		} else if (kind === "let_go") {
			this.#warmths.letGo(replica, isDone ? "done" : "failed", now);
		} else if (signal) {
			// One that had gone cold before starts by this call: its time-out is shorter than was thought.
			if (gap !== null && signal.state === "waking") warmth.pool.observeGap(gap, true);
			this.#warmths.observe(replica, signal, now);
		}
	}

	#pause(replica: ReplicaState, now: Seconds): void {
		const count = (this.#failures.get(replica)?.count ?? 0) + 1;
		this.#failures.set(replica, { count, until: now + Math.min(PAUSE_MAX, PAUSE_MIN * 2 ** (count - 1)) });
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
		// What somebody else may use is not let go.
		const mayLetGo = zero.let_go && zero.sole_tenant && this.#isAlone;
		if (mayLetGo) {
			const seconds = this.#timeouts.due(replica, warmth, outlook, now);
			if (seconds !== undefined) {
				this.#note("idle_timeout", replica, outlook, elapsed, now, { idle_seconds: seconds });
				return { kind: "idle_timeout", replica, seconds };
			}
		}
		if (state !== "warm" || warmth.isUsed) return undefined;
		// Whoever waits may be about to be given a place there.
		if (mayLetGo && this.#waiting() === 0 && letGoCall(replica.entry)) {
			const in_ = outlook.letGoAt(elapsed) - elapsed;
			if (in_ <= 0) {
				this.#note("let_go", replica, outlook, elapsed, now);
				this.#warmths.letGo(replica, "begun", now);
				return { kind: "let_go", replica };
			}
			this.#again(now + in_, now);
		}
		const idleAt = warmth.idleAt;
		if (!zero.keep_warm || idleAt === Infinity || admits(replica.health, 1, now).limit === 0) return undefined;
		const { idle } = warmth.pool.idleness;
		const keepAt = idleAt - Math.min(AHEAD, idle / 2);
		if (now < keepAt) {
			this.#again(keepAt, now);
			return undefined;
		}
		if (!warmth.isPlanned && !outlook.isWorthKeeping(elapsed, idle)) {
			// Once it is cold it may have to be started again.
			this.#again(idleAt + LOOK_EVERY, now);
			return undefined;
		}
		this.#note("keep", replica, outlook, elapsed, now);
		return { kind: "keep", replica };
	}

	#isToStart(replica: ReplicaState, warmth: ReplicaWarmth, outlook: Outlook, elapsed: Seconds, now: Seconds): boolean {
		const state = warmth.state(now);
		if (!replica.entry.pool.pool.scale_to_zero!.keep_warm || (state !== "cold" && state !== "asleep")) return false;
		if (warmth.demand.seen < GAPS_TO_START) return false;
		if (warmth.pool.rests(now)) {
			this.#again(warmth.pool.restsUntil, now);
			return false;
		}
		const in_ = outlook.startAt(elapsed) - elapsed;
		// In the middle of a burst.
		if (elapsed < warmth.start(0, now).seconds && !outlook.outlastsStart) return false;
		if (in_ > 0) this.#again(now + in_, now);
		return in_ <= 0;
	}

	#again(at: Seconds, now: Seconds): void {
		if (at > now) this.#nextAt = Math.min(this.#nextAt, at);
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

function numbersOf(outlook: Outlook, elapsed: Seconds): Record<string, number> {
	const { perSecond, breakEven } = outlook.hazard(elapsed);
	return {
		elapsed_seconds: elapsed,
		requests_per_second: perSecond,
		break_even_per_second: breakEven,
		loss_usd: outlook.lossUsd,
	};
}
