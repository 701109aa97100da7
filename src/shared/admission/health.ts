import type { Ended } from "../scheduler/messages.ts";
import type { Seconds } from "../units.ts";

export type FailureKind = NonNullable<Ended["failure"]>;

type Phase =
	/** Answers to what was sent before `sentFrom` tell of a time before this one. */
	| { readonly kind: "healthy"; readonly since: Seconds; readonly sentFrom: Seconds }
	| { readonly kind: "aside"; readonly since: Seconds; readonly until: Seconds }
	/** A probe is on its way. */
	| { readonly kind: "probing"; readonly since: Seconds }
	| { readonly kind: "slow_start"; readonly since: Seconds; readonly seconds: Seconds };

/** What is known of one replica's health, from the answers it gave. */
export interface Health {
	readonly phase: Phase;
	/** Pauses that count towards the length of the next one. */
	readonly pauses: number;
	/** Failures in a row. */
	readonly streak: number;
	/** Answers and failures among them, decayed; as of `at`. */
	readonly answers: number;
	readonly failed: number;
	readonly at: Seconds;
	/** The replica said that it is full: it gets nothing until then. Says nothing about its health. */
	readonly busyUntil: Seconds;
}

export interface Admission {
	/** Requests that may be in flight at once; 0 for none. */
	readonly limit: number;
	readonly reason: "healthy" | "slow_start" | "half_open" | "aside" | "busy";
}

export const PAUSE_MIN: Seconds = 1;
export const PAUSE_MAX: Seconds = 60;
export const BUSY_MAX: Seconds = 60;
/** A slow start takes five times as long as the pause before it, and at most this. */
export const SLOW_START_MAX: Seconds = 30;
/** The slow start of a replica that has come up from zero. */
const WOKEN_SECONDS: Seconds = 5;
/** A probe that was not answered in this time was lost. */
export const PROBE_SECONDS: Seconds = 10;
const MEMORY_SECONDS = 30;
const STREAK_MAX = 5;
const FORGIVE_SECONDS = 30;

export function newHealth(now: Seconds): Health {
	const phase = { kind: "healthy", since: now, sentFrom: -Infinity } as const;
	return { phase, pauses: 0, streak: 0, answers: 0, failed: 0, at: now, busyUntil: -Infinity };
}

export interface ReportOptions {
	/** When the request was sent; an answer to one sent before the replica's present phase says nothing about that phase. */
	readonly sentAt?: Seconds | undefined;
	/** The replica's own Retry-After, for `busy`. Default 1 s. */
	readonly retryAfter?: Seconds | undefined;
	/** In [0, 1): shortens a pause by up to a fifth, so that many schedulers do not probe together. */
	readonly jitter?: number | undefined;
}

/** A request failed by the replica's fault; a client's own mistakes (4xx) must not be reported.
 *
 *  A refused connection counts at once. Of other failures it takes five in a row (Envoy's `consecutive_5xx`), or half of the
 *  recent answers and either two in a row or about four in all, so that one failure among many answers changes nothing. Failures
 *  of a replica that is aside already do not lengthen its pause (they were in flight), except that of a half-open trial.
 *  `busy` sets it aside for exactly its Retry-After, up to 60 s. */
export function onFailure(health: Health, kind: FailureKind, now: Seconds, options: ReportOptions = {}): Health {
	const { sentAt = Infinity, retryAfter = PAUSE_MIN, jitter = 0 } = options;
	if (kind === "busy") {
		const pause = retryAfter >= 0 ? Math.min(BUSY_MAX, retryAfter) : PAUSE_MIN;
		return { ...health, busyUntil: Math.max(health.busyUntil, now + pause) };
	}
	const { phase } = health;
	if (phase.kind === "aside" || phase.kind === "probing") {
		return isTrial(health, sentAt, now) ? putAside(health, now, jitter) : health;
	}
	const current = settled(health, now);
	if (sentAt < currentFrom(current)) return health;
	const counted = count(current, 1, now);
	const half = counted.failed >= counted.answers / 2;
	const often = counted.streak >= 2 || counted.failed > 3.5;
	const failing = kind === "connect" || counted.streak >= STREAK_MAX || (half && often);
	return failing ? putAside(counted, now, jitter) : counted;
}

/** A good answer. That of a half-open trial begins the slow start. */
export function onSuccess(health: Health, now: Seconds, { sentAt = Infinity }: ReportOptions = {}): Health {
	if (health.phase.kind === "healthy" || health.phase.kind === "slow_start") return count(settled(health, now), 0, now);
	return isTrial(health, sentAt, now) ? slowStart(health, now) : health;
}

/** It has come up from zero, as an answer told: what waited for it is let in gradually. */
export function onWoken(health: Health, now: Seconds): Health {
	if (health.phase.kind !== "healthy" && health.phase.kind !== "slow_start") return health;
	return { ...health, phase: { kind: "slow_start", since: now, seconds: WOKEN_SECONDS } };
}

/** Whether to send a probe now: the pause is over, or the last probe was lost. */
export function probeDue(health: Health, now: Seconds): boolean {
	return now >= dueAt(health);
}

/** A probe was sent. No trial request is admitted while it is under way. */
export function onProbeSent(health: Health, now: Seconds): Health {
	return probeDue(health, now) ? { ...health, phase: { kind: "probing", since: now } } : health;
}

/** A probe's answer. Ignored when none was due: a late one changes nothing. */
export function onProbe(health: Health, good: boolean, now: Seconds, { jitter = 0 }: ReportOptions = {}): Health {
	if (health.phase.kind !== "probing" && !probeDue(health, now)) return health;
	return good ? slowStart(health, now) : putAside(health, now, jitter);
}

/** What the replica may be given, of `concurrencyMax` when it is healthy. After a pause one trial request at a time
 *  (half-open), then a limit that rises linearly from 1 to full, as with Envoy's slow start (aggression 1) and AWS's ALB. */
export function admits(health: Health, concurrencyMax: number, now: Seconds): Admission {
	if (now < health.busyUntil) return { limit: 0, reason: "busy" };
	const { phase } = health;
	if (phase.kind === "aside" || phase.kind === "probing") {
		return now < dueAt(health) ? { limit: 0, reason: "aside" } : { limit: 1, reason: "half_open" };
	}
	const share = phase.kind === "healthy" ? 1 : (now - phase.since) / phase.seconds;
	const limit = Math.max(1, Math.floor(concurrencyMax * share));
	return limit < concurrencyMax ? { limit, reason: "slow_start" } : { limit: concurrencyMax, reason: "healthy" };
}

/** As it stands at `now`: a replica is healthy once its slow start is over. */
export function settled(health: Health, now: Seconds): Health {
	const { phase } = health;
	if (phase.kind !== "slow_start" || now < phase.since + phase.seconds) return health;
	return { ...health, phase: { kind: "healthy", since: phase.since + phase.seconds, sentFrom: phase.since } };
}

/** A probe is due, now or later: somebody has to see to it. */
export function awaitsProbe(health: Health): boolean {
	return dueAt(health) < Infinity;
}

function dueAt({ phase }: Health): Seconds {
	if (phase.kind === "aside") return phase.until;
	return phase.kind === "probing" ? phase.since + PROBE_SECONDS : Infinity;
}

/** Requests sent before this tell nothing of its present phase. */
function currentFrom({ phase }: Health): Seconds {
	return phase.kind === "healthy" ? phase.sentFrom : phase.since;
}

function isTrial(health: Health, sentAt: Seconds, now: Seconds): boolean {
	const due = dueAt(health);
	return now >= due && sentAt >= due;
}

function count(health: Health, failure: 0 | 1, now: Seconds): Health {
	const elapsed = Math.max(0, now - health.at);
	const keep = Math.exp(-elapsed / MEMORY_SECONDS);
	return {
		...health,
		streak: failure && health.streak + 1,
		answers: health.answers * keep + 1,
		failed: health.failed * keep + failure,
		at: health.at + elapsed,
	};
}

/** Pauses double from 1 to 60 s; every half minute of health takes one back (Envoy's ejection multiplier does the same). */
function putAside(health: Health, now: Seconds, jitter: number): Health {
	const pauses = Math.max(0, health.pauses - Math.floor(healthySeconds(health, now) / FORGIVE_SECONDS));
	const until = now + pauseSeconds(pauses) * (1 - jitter / 5);
	return {
		phase: { kind: "aside", since: now, until },
		pauses: pauses + 1,
		streak: 0,
		answers: 0,
		failed: 0,
		at: Math.max(health.at, now),
		busyUntil: health.busyUntil,
	};
}

function slowStart(health: Health, now: Seconds): Health {
	const seconds = Math.min(SLOW_START_MAX, 5 * pauseSeconds(health.pauses - 1));
	return { ...health, phase: { kind: "slow_start", since: now, seconds } };
}

function pauseSeconds(pauses: number): Seconds {
	return Math.min(PAUSE_MAX, PAUSE_MIN * 2 ** pauses);
}

function healthySeconds({ phase }: Health, now: Seconds): Seconds {
	return phase.kind === "healthy" ? Math.max(0, now - phase.since) : 0;
}
