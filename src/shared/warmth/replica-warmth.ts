import type { Seconds, Usd } from "../units.ts";
import { coldProbability, stateAt, wakingAge, type Evidence } from "./belief.ts";
import type { StartKind } from "./cold-time.ts";
import { Demand, type StoredDemand } from "./demand.ts";
import { meanOf, quantileAt, residualOf, type LogNormal } from "./log-normal.ts";
import { isSame, Outlook, type Stakes } from "./outlook.ts";
import type { PoolWarmth } from "./pool-warmth.ts";
import type { WarmthSignal, WarmthState } from "./signal.ts";
import { StatusTrust } from "./status-trust.ts";
import type { Start } from "./start.ts";

/** Plain JSON. `usedAt` is null where it never was. */
export interface StoredWarmth {
	readonly signal: WarmthSignal | null;
	readonly usedAt: Seconds | null;
}

/** The same with when requests come, which is kept but not told to other schedulers. */
export interface KeptWarmth extends StoredWarmth {
	/** Absent in what older versions kept. */
	readonly demand?: StoredDemand;
}

/** The answer to a request. */
export interface HeardAnswer {
	readonly sentAt: Seconds;
	readonly at: Seconds;
	/** What of that it had to wait for a start; null where it found the replica warm. */
	readonly waited: Seconds | null;
	/** By what, besides its time, it told that. */
	readonly source: string | undefined;
}

/** From here on a request that is sent there counts as one that starts it. */
export const LIKELY_COLD = 0.5;
/** From here on what its caches held is taken to be gone. */
const SURELY_COLD = 0.99;
/** Of the requests that it takes at once, so many may wait for its start: the others are answered sooner elsewhere, or wait here
 *  and are let in gradually. */
const WAITING_SHARE = 0.25;
/** The 99th percentile of a normal law. */
const Z_99 = 2.33;

const STATES: ReadonlySet<string> = new Set<WarmthState>(["cold", "waking", "warm", "draining", "asleep"]);

/** What one scheduler knows of the warmth of one replica of a pool that scales to zero. */
export class ReplicaWarmth {
	readonly pool: PoolWarmth;
	/** Requests that it served, or would have served if it was warm. */
	readonly demand: Demand;
	/** How far what a status tells of it is believed. */
	readonly trust: StatusTrust;
	readonly #concurrencyMax: number;
	#signal: WarmthSignal | null = null;
	#usedAt: Seconds = -Infinity;
	/** Requests and calls of ours that were sent while it was cold or waking and have no answer yet. */
	readonly #waiting: Set<string>;
	/** When it last came up from zero. */
	#warmSince: Seconds = -Infinity;
	#isForgotten = false;
	#outlook: { readonly arrivals: number; readonly stakes: Stakes; readonly outlook: Outlook } | undefined;

	/** As of the last `look`. */
	probability = 0;
	/** It is one of those that are worth being up all the time. */
	isPlanned = false;
	/** Whether a request is in flight there, as of the last `look` or the last that was sent. */
	isUsed = false;
	/** Requests that may be in flight there, as of the last `look`; infinite while it is likely to be warm. */
	limit = Infinity;

	/** `before`: the same replica under an earlier catalog; or what is `stored` of it. */
	constructor(pool: PoolWarmth, concurrencyMax: number, before?: ReplicaWarmth | KeptWarmth) {
		this.pool = pool;
		this.#concurrencyMax = concurrencyMax;
		this.#waiting = before instanceof ReplicaWarmth ? before.#waiting : new Set();
		this.trust = before instanceof ReplicaWarmth ? before.trust : new StatusTrust();
		this.demand = before instanceof ReplicaWarmth ? before.demand : new Demand(before?.demand);
		if (before instanceof ReplicaWarmth) {
			this.#usedAt = before.#usedAt;
			this.#signal = before.#signal;
			this.#warmSince = before.#warmSince;
			this.#isForgotten = before.#isForgotten;
		} else if (before) this.#restore(before);
	}

	/** Brings it up to `now`. `inUse`: a request is in flight there, ours or a sibling's. `others`: pools of its provider that
	 *  are waking, besides its own. True when it has just become certain that it went cold. */
	look(inUse: boolean, others: number, now: Seconds): boolean {
		this.isUsed = inUse;
		if (inUse) this.used(now);
		this.probability = coldProbability(this.#evidence(), this.pool.idleness, this.#law(others), now);
		this.limit = this.probability < LIKELY_COLD ? Infinity : this.#waitingMax();
		if (this.probability < SURELY_COLD || this.#isForgotten || !this.#signal) return false;
		this.#isForgotten = true;
		return true;
	}

	/** Something of ours was in flight there until now. */
	used(now: Seconds): void {
		this.#usedAt = Math.max(this.#usedAt, now);
	}

	state(now: Seconds): WarmthState {
		const state = stateAt(this.#evidence(), this.#law(0), now);
		return state === "warm" && this.probability >= LIKELY_COLD ? "cold" : state;
	}

	/** What is to be expected until the next request that it would serve. */
	outlook(others: number): Outlook {
		const { arrivals } = this.demand;
		const stakes = this.pool.stakes(this.#law(others));
		const known = this.#outlook;
		if (known?.arrivals === arrivals && isSame(known.stakes, stakes)) return known.outlook;
		const outlook = new Outlook(this.demand, stakes);
		this.#outlook = { arrivals, stakes, outlook };
		return outlook;
	}

	/** A request found it cold or waking, and lost so much by that. */
	missed(usd: Usd, isPassed: boolean, others: number): void {
		this.pool.missed(usd, isPassed, this.#law(others));
	}

	/** When it scales to zero by itself unless it is used before; Infinity where it does not, or is not up. */
	get idleAt(): Seconds {
		if (this.#signal?.state !== "warm" || this.probability >= LIKELY_COLD) return Infinity;
		return Math.max(this.#usedAt, this.#signal.at) + this.pool.idleness.idle;
	}

	/** It is put to sleep or scaled to zero by us; or that has failed. */
	wasLetGo(isGone: boolean, now: Seconds): void {
		if (!isGone) {
			this.#signal = { state: "warm", at: now, source: "let_go_failed" };
			return;
		}
		const level = this.pool.sleepLevel;
		const state = level === undefined ? "cold" : "asleep";
		this.#signal = { state, at: now, source: "let_go", ...(level && { level }) };
	}

	/** When something of ours was last in flight there, or it was last seen; -Infinity: never. */
	get heardAt(): Seconds {
		return Math.max(this.#usedAt, this.#signal?.at ?? -Infinity);
	}

	/** What was last seen of it. */
	get signal(): WarmthSignal | null {
		return this.#signal;
	}

	/** What a request that is sent there now may have to wait for, as of the last `look`. */
	start(others: number, now: Seconds): Start {
		const law = this.#law(others);
		const { probability } = this;
		const age = this.#wakingFor(now);
		if (age !== null) {
			const seconds = residualOf(law, age);
			const secondsMax = Math.max(seconds, quantileAt(law, Z_99) - age);
			return { probability, seconds, sigma: law.sigma, secondsMax, usd: 0, regret: 0 };
		}
		const seconds = meanOf(law);
		return {
			probability,
			seconds,
			sigma: law.sigma,
			secondsMax: quantileAt(law, Z_99),
			usd: this.pool.startUsd(seconds),
			regret: probability < LIKELY_COLD ? 0 : this.pool.regret(now),
		};
	}

	/** Seconds since anything of ours was in flight there, or it was last seen warm; null where that says nothing. */
	gap(now: Seconds): Seconds | null {
		const { state, at } = this.#signal ?? {};
		return state === "warm" && at !== undefined ? now - Math.max(at, this.#usedAt) : null;
	}

	/** A request is sent there. Where it is likely to be cold it starts it, and the next ones know that it does. */
	sent(reservation: string, now: Seconds): void {
		this.used(now);
		this.isUsed = true;
		const isWaking = this.#wakingFor(now) !== null;
		if (isWaking || this.probability >= LIKELY_COLD) this.awaits(reservation);
		if (!isWaking && this.probability >= LIKELY_COLD)
			this.observe({ state: "waking", at: now, source: "request" }, 0, now);
	}

	/** Something of ours waits there until it is up. */
	awaits(id: string): void {
		this.#waiting.add(id);
	}

	/** It no longer waits. */
	gone(id: string): void {
		this.#waiting.delete(id);
	}

	/** Whether any request of ours waits for its start. */
	get isAwaited(): boolean {
		return this.#waiting.size > 0;
	}

	/** An answer came. True when it is the first since the replica was cold. */
	answered({ sentAt, at, waited, source }: HeardAnswer, others: number, now: Seconds): boolean {
		// What was sent before another's answer tells of the same start once more.
		const isFirst = waited !== null && sentAt >= this.#warmSince;
		// The start may have begun before this request was sent.
		const ahead = Math.max(0, (this.#wakingFor(at) ?? 0) - (at - sentAt));
		const label = isFirst ? { coldSeconds: ahead + waited } : {};
		this.observe({ state: "warm", at, source: source ?? (isFirst ? "ttft" : "answer"), ...label }, others, now);
		return isFirst;
	}

	/** Takes in what somebody has seen. What is older than what is known changes nothing. */
	observe(signal: WarmthSignal, others: number, now: Seconds): void {
		const at = Math.min(signal.at, now);
		const known = this.#signal;
		if (known && at < known.at) return;
		const age = this.#wakingFor(at);
		if (signal.state === "warm") {
			if (signal.coldSeconds !== undefined) {
				this.pool.observeStart(this.#kind, signal.coldSeconds, others);
				this.#warmSince = at;
			}
			this.pool.cameUp();
			this.#isForgotten = false;
			this.used(at);
		}
		if (signal.state === "waking" && age === null) this.pool.noRegret();
		const wakingFor = signal.wakingFor ?? age ?? 0;
		// What it wakes from decides how long that takes.
		const level = signal.level ?? (known?.state === "asleep" || known?.state === "waking" ? known.level : undefined);
		const waking = signal.state === "waking" && { wakingFor, ...(level && { level }) };
		this.#signal = { ...signal, at, ...waking };
	}

	/** A start came to nothing: it is as it was before. */
	startFailed(source: string, now: Seconds): void {
		this.pool.startFailed(now);
		const { level } = this.#signal ?? {};
		this.#signal =
			level === undefined ? { state: "cold", at: now, source } : { state: "asleep", at: now, source, level };
	}

	kept(): KeptWarmth {
		return { ...this.stored(), demand: this.demand.stored() };
	}

	stored(): StoredWarmth {
		return { signal: this.#signal, usedAt: Number.isFinite(this.#usedAt) ? this.#usedAt : null };
	}

	/** Seconds that it has been waking; null where it is not. */
	#wakingFor(now: Seconds): Seconds | null {
		const signal = this.#signal;
		if (signal?.state !== "waking" || stateAt(this.#evidence(), this.#law(0), now) !== "waking") return null;
		return wakingAge(signal, now);
	}

	#restore({ signal, usedAt }: StoredWarmth): void {
		if (typeof usedAt === "number") this.#usedAt = usedAt;
		if (signal && STATES.has(signal.state) && Number.isFinite(signal.at)) this.#signal = signal;
	}

	#evidence(): Evidence {
		return { signal: this.#signal, usedAt: this.#usedAt, waits: this.isAwaited };
	}

	#law(others: number): LogNormal {
		return this.pool.law(this.#kind, others);
	}

	get #kind(): StartKind {
		const level = this.#signal?.level ?? this.pool.sleepLevel;
		return level === undefined ? "cold" : `sleep_${level}`;
	}

	#waitingMax(): number {
		if (this.pool.mustBeWoken) return 0;
		return this.pool.refuses ? 1 : Math.max(1, Math.floor(this.#concurrencyMax * WAITING_SHARE));
	}
}
