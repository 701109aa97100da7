import type { CatalogPool } from "../catalog/snapshot.ts";
import type { ScaleToZero } from "../catalog/schema.ts";
import { usdFromNano } from "../money/nano.ts";
import { TTFT_GOAL, LATE_FACTOR, VALUE_OF_SECOND } from "../objective/defaults.ts";
import { expectedExcess } from "../objective/lognormal.ts";
import { isNumbers } from "../perf/stored.ts";
import type { Seconds, Usd } from "../units.ts";
import type { Idleness } from "./belief.ts";
import {
	coldLaw,
	coldTimePrior,
	observeColdTime,
	restoredColdTime,
	storedColdTime,
	type ColdTime,
	type StartKind,
} from "./cold-time.ts";
import { letsGo } from "./engine-calls.ts";
import { idlenessOf, observeGap } from "./idle-time.ts";
import { meanOf, type LogNormal } from "./log-normal.ts";
import { expectedMiss, missed, type Misses } from "./misses.ts";
import type { Stakes } from "./outlook.ts";
import { NO_REGRET, regretAt, regretted, type Regret } from "./regret.ts";

/** Plain JSON. */
export interface StoredPoolWarmth {
	readonly coldTimes: Readonly<Record<string, readonly number[]>>;
	/** Learned, and the stated or default one from which it was (null: never). */
	readonly idle: readonly [learned: Seconds | null, from: Seconds | null];
	readonly coldShare: number;
	readonly regret: readonly [usd: Usd, at: Seconds];
	readonly refuses: boolean;
	/** Absent in what older versions kept. */
	readonly misses?: readonly [usd: Usd, passed: number, count: number];
}

/** Kinds that answer an error instead of holding a request while they start. Of others it is learned. */
const REFUSING: ReadonlySet<ScaleToZero["kind"]> = new Set(["huggingface", "runpod_load_balancer", "vllm_sleep"]);
const REST_MIN: Seconds = 5;
const REST_MAX: Seconds = 300;
/** A pool that is kept for longer than this after its last request is not kept for that request. */
const IDLE_CHARGED_MAX: Seconds = 3_600;

/** What the replicas of a pool that scales to zero have in common: how long a start takes, when they go cold, and what going
 *  elsewhere has cost meanwhile. */
export class PoolWarmth {
	readonly provider: string;
	/** What each second of a replica costs while it is up; zero where it is not paid by the second. */
	readonly usdPerSecond: Usd;
	/** What each second of a replica is worth that it is up and idle. */
	readonly idleUsdPerSecond: Usd;
	readonly #settings: ScaleToZero;
	/** Whether it can be put to sleep or scaled to zero by a call. */
	readonly #letsGo: boolean;
	readonly #gigabytes: number | undefined;
	readonly #coldTimes = new Map<string, ColdTime>();
	readonly #idleFrom: Seconds;
	#idleness: Idleness;
	#regret: Regret = NO_REGRET;
	#refuses: boolean;
	#misses: Misses | undefined;
	#expected: { readonly law: LogNormal; readonly misses: Misses } | undefined;
	#failures = 0;
	#restsUntil: Seconds = -Infinity;

	/** `stored`: what an earlier life or an earlier catalog left; what is malformed in it is left out. */
	constructor({ pool, model, pricing }: CatalogPool, settings: ScaleToZero, stored?: StoredPoolWarmth) {
		this.provider = pool.place.provider;
		this.usdPerSecond = pricing.per === "gpu_second" && !pricing.reserved ? usdFromNano(pricing.nanoPerSecond) : 0;
		this.idleUsdPerSecond =
			settings.idle_usd_per_hour === undefined ? this.usdPerSecond : settings.idle_usd_per_hour / 3_600;
		this.#settings = settings;
		this.#letsGo = settings.let_go && settings.sole_tenant && letsGo(settings);
		const { parameters_billion: parameters, bytes_per_parameter: bytes } = model;
		this.#gigabytes = parameters === undefined ? undefined : parameters * bytes;
		this.#idleness = idlenessOf(settings);
		this.#idleFrom = this.#idleness.idle;
		this.#refuses = REFUSING.has(settings.kind);
		if (stored) this.#restore(stored);
	}

	get idleness(): Idleness {
		return this.#idleness;
	}

	/** It answers an error while it starts: waiting there is of no use. */
	get refuses(): boolean {
		return this.#refuses;
	}

	/** Its engines sleep, and a request must not be sent to one that does (vLLM's sleep mode: its memory is not mapped). */
	get mustBeWoken(): boolean {
		return this.#settings.kind === "vllm_sleep";
	}

	/** At which level its engines sleep, where that is how they go cold. */
	get sleepLevel(): 1 | 2 | undefined {
		return this.mustBeWoken ? (this.#settings.sleep_level ?? 1) : undefined;
	}

	law(kind: StartKind, others: number): LogNormal {
		return coldLaw(this.#coldTime(kind), others);
	}

	/** What a start and the idle time after it add to the invoice. */
	startUsd(seconds: Seconds): Usd {
		const { idle } = this.#idleness;
		return this.usdPerSecond * (seconds + (idle === Infinity ? 0 : Math.min(idle, IDLE_CHARGED_MAX)));
	}

	/** Of what a request is expected to pay there for time, the part for seconds that would be paid for idle without it. */
	idleUsdOf(money: Usd): Usd {
		return this.usdPerSecond > 0 ? money * Math.min(1, this.idleUsdPerSecond / this.usdPerSecond) : 0;
	}

	/** What there is to lose and to save by letting one of its replicas go, which starts as `law` says. */
	stakes(law: LogNormal): Stakes {
		const startSeconds = meanOf(law);
		return {
			idleUsdPerSecond: this.idleUsdPerSecond,
			startSeconds,
			startUsd: this.usdPerSecond * startSeconds,
			misses: this.#misses ?? this.#unseen(law),
			mayStart: this.#settings.keep_warm,
			idleMin: this.#letsGo ? 0 : this.#idleness.idle,
		};
	}

	/** A request found a replica cold or waking, which cost it so much more than if it had been warm. `isPassed`: it went
	 *  elsewhere and started nothing. */
	missed(usd: Usd, isPassed: boolean, law: LogNormal): void {
		this.#misses = missed(this.#misses ?? this.#waiting(law), usd, isPassed);
	}

	/** Its provider has taken another idle time-out. */
	idleIs(seconds: Seconds): void {
		this.#idleness = { ...this.#idleness, idle: seconds };
	}

	observeStart(kind: StartKind, seconds: Seconds, others: number): void {
		this.#coldTimes.set(this.#tier(kind), observeColdTime(this.#coldTime(kind), seconds, others));
	}

	observeGap(gap: Seconds, cold: boolean): void {
		this.#idleness = observeGap(this.#idleness, gap, cold);
	}

	observeRefusal(): void {
		this.#refuses = true;
	}

	/** A start came to nothing. What going elsewhere costs is counted anew after a rest, which doubles with each further one. */
	startFailed(now: Seconds): void {
		this.noRegret();
		this.#restsUntil = now + Math.min(REST_MAX, REST_MIN * 2 ** this.#failures++);
	}

	rests(now: Seconds): boolean {
		return now < this.#restsUntil;
	}

	get restsUntil(): Seconds {
		return this.#restsUntil;
	}

	/** It was found warm. */
	cameUp(): void {
		this.#failures = 0;
		this.noRegret();
	}

	regret(now: Seconds): Usd {
		return regretAt(this.#regret, this.usdPerSecond, now);
	}

	/** A request went elsewhere for so much more. */
	regretted(premium: Usd, now: Seconds): void {
		if (this.rests(now)) return;
		this.#regret = regretted(this.#regret, premium, this.usdPerSecond, now);
	}

	/** It is started. */
	noRegret(): void {
		this.#regret = NO_REGRET;
	}

	stored(): StoredPoolWarmth {
		const { idle, coldShare } = this.#idleness;
		return {
			coldTimes: Object.fromEntries([...this.#coldTimes].map(([tier, time]) => [tier, storedColdTime(time)])),
			idle: [finite(idle), finite(this.#idleFrom)],
			coldShare,
			regret: [this.#regret.usd, this.#regret.at],
			refuses: this.#refuses,
			...(this.#misses && { misses: [this.#misses.usd, this.#misses.passed, this.#misses.count] as const }),
		};
	}

	/** The same as long as the law is. */
	#unseen(law: LogNormal): Misses {
		if (this.#expected?.law.mu !== law.mu || this.#expected.law.sigma !== law.sigma)
			this.#expected = { law, misses: this.#waiting(law) };
		return this.#expected.misses;
	}

	/** Of a request that has nowhere else to go, by the default policy. */
	#waiting(law: LogNormal): Misses {
		const seconds = meanOf(law);
		const late = LATE_FACTOR * expectedExcess(seconds, law.sigma, TTFT_GOAL);
		return expectedMiss(VALUE_OF_SECOND * (seconds + late) + this.usdPerSecond * seconds);
	}

	#restore({ coldTimes, idle, coldShare, regret, refuses, misses }: StoredPoolWarmth): void {
		for (const kind of ["cold", "sleep_1", "sleep_2"] as const) {
			const tier = this.#tier(kind);
			const row = coldTimes?.[tier];
			if (row) this.#coldTimes.set(tier, restoredColdTime(this.#prior(kind), row));
		}
		const [learned, from] = Array.isArray(idle) ? idle : [];
		// An operator who states another one knows better.
		if (typeof learned === "number" && learned > 0 && from === finite(this.#idleFrom))
			this.#idleness = { ...this.#idleness, idle: learned };
		if (coldShare > 0 && coldShare < 1) this.#idleness = { ...this.#idleness, coldShare };
		if (isNumbers(regret, 2)) this.#regret = { usd: Math.max(0, regret[0]), at: regret[1] };
		this.#refuses ||= refuses;
		if (isNumbers(misses, 3)) this.#misses = { usd: Math.max(0, misses[0]), passed: misses[1], count: misses[2] };
	}

	#coldTime(kind: StartKind): ColdTime {
		return this.#coldTimes.get(this.#tier(kind)) ?? this.#prior(kind);
	}

	#prior(kind: StartKind): ColdTime {
		return coldTimePrior(kind, this.#gigabytes, kind === "cold" ? this.#settings.cold_seconds : undefined);
	}

	#tier(kind: StartKind): string {
		return kind === "cold" ? `cold ${this.#settings.tier ?? ""}` : kind;
	}
}

function finite(seconds: Seconds): Seconds | null {
	return seconds === Infinity ? null : seconds;
}
