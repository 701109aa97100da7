import type { Seconds } from "../units.ts";
import { quantileAt, stillAfter, type LogNormal } from "./log-normal.ts";
import type { WarmthSignal, WarmthState } from "./signal.ts";

/** The newest word on a replica, and what its own use tells. */
export interface Evidence {
	/** Null: nobody has seen it yet. */
	readonly signal: WarmthSignal | null;
	/** When a request of ours was last in flight there; -Infinity: never. */
	readonly usedAt: Seconds;
	/** A request of ours waits there for its first token, so that it would be known if it had become warm. */
	readonly waits: boolean;
}

/** When it scales to zero. */
export interface Idleness {
	/** After so long without a request. */
	readonly idle: Seconds;
	/** Nobody else's requests keep it warm. */
	readonly soleTenant: boolean;
	/** Where others' do: how often it is cold when it has not been used by us for longer than `idle`. */
	readonly coldShare: number;
}

/** A sole tenant's pool that nobody has seen is most likely cold (its provider may hold a minimum of workers); one that never
 *  scales to zero by itself, most likely warm. */
const UNKNOWN = 0.95;
/** A start that is later than this many standard deviations of its logarithm has failed. */
const GIVEN_UP = 4;

/** P(a request that comes now has to wait for a start), in [0, 1].
 *
 *  Warm: 0 until `idle` has passed since it was last seen or used; then 1 for a sole tenant, else `coldShare`, the chance that
 *  nobody came in the last `idle` seconds. Cold, draining or asleep: 1; others' requests, which come at a rate `l` with
 *  `exp(-l * idle) = coldShare`, let that decay to `coldShare`. Waking: P(T > age | T > age when seen). A clock that goes back
 *  stands still. */
export function coldProbability(evidence: Evidence, idleness: Idleness, law: LogNormal, now: Seconds): number {
	const { signal, usedAt } = evidence;
	const { idle, soleTenant, coldShare } = idleness;
	if (!signal) {
		if (idle === Infinity) return 1 - UNKNOWN;
		return soleTenant ? UNKNOWN : coldShare;
	}
	const age = Math.max(0, now - signal.at);
	switch (stateAt(evidence, law, now)) {
		case "warm": {
			const gap = now - Math.max(signal.at, usedAt);
			if (gap <= idle) return 0;
			return soleTenant ? 1 : coldShare;
		}
		case "waking": {
			const before = signal.wakingFor ?? 0;
			return evidence.waits ? 1 : stillAfter(law, before, before + age);
		}
		case "cold":
		case "draining":
		case "asleep": {
			if (soleTenant) return 1;
			// Before the signal it may have been cold for any time: of others' requests only those since count.
			return coldShare + (1 - coldShare) * coldShare ** (age / Math.max(idle, Number.MIN_VALUE));
		}
	}
}

/** What it was last seen as; a waking that should long have been over has come to nothing. Unknown counts as cold. */
export function stateAt({ signal, waits }: Evidence, law: LogNormal, now: Seconds): WarmthState {
	if (!signal) return "cold";
	const late = signal.state === "waking" && !waits && wakingAge(signal, now) > quantileAt(law, GIVEN_UP);
	return late ? "cold" : signal.state;
}

/** Seconds that it has been waking. */
export function wakingAge({ at, wakingFor = 0 }: WarmthSignal, now: Seconds): Seconds {
	return wakingFor + Math.max(0, now - at);
}
