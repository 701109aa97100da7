import { SCALE_TO_ZERO } from "../catalog/scale-to-zero.ts";
import type { ScaleToZero } from "../catalog/schema.ts";
import type { Seconds } from "../units.ts";
import type { Idleness } from "./belief.ts";

/** Engines that sleep when they are told to, or started so: never by default. */
const SLEEPERS: ReadonlySet<ScaleToZero["kind"]> = new Set(["vllm_sleep", "llama_cpp"]);
/** Where neither the catalog nor the kind says it. */
const IDLE_GUESS: Seconds = 300;
const IDLE_MIN: Seconds = 1;
const IDLE_MAX: Seconds = 86_400;
/** Others' traffic before it was seen: one request in `idle` seconds on average. */
const SHARE_PRIOR = Math.exp(-1);
const SHARE_MIN = 0.02;
const SHARE_GAIN = 0.1;

/** Before anything was seen. */
export function idlenessOf(zero: Pick<ScaleToZero, "kind" | "idle_seconds" | "sole_tenant">): Idleness {
	const { kind, idle_seconds: stated, sole_tenant: soleTenant } = zero;
	const usual = SCALE_TO_ZERO[kind].idleSeconds ?? (SLEEPERS.has(kind) ? Infinity : IDLE_GUESS);
	return { idle: stated ?? usual, soleTenant, coldShare: SHARE_PRIOR };
}

/** A request that came `gap` seconds after the last use found the pool cold, or warm. A sole tenant's time-out moves half of
 *  the way, on the log scale, to a gap that contradicts it: a worker that was lost for another reason does not set it alone.
 *  Others' traffic is learned from gaps that are longer than the time-out. */
export function observeGap(known: Idleness, gap: Seconds, cold: boolean): Idleness {
	const { idle, soleTenant, coldShare } = known;
	if (!(gap > 0 && gap < Infinity)) return known;
	if (!soleTenant) {
		if (gap <= idle) return known;
		const share = coldShare + SHARE_GAIN * ((cold ? 1 : 0) - coldShare);
		return { ...known, coldShare: Math.min(1 - SHARE_MIN, Math.max(SHARE_MIN, share)) };
	}
	if (cold ? gap >= idle : gap <= idle) return known;
	// From never, the first gap that was too long is all that is known.
	const moved = idle === Infinity ? gap : Math.sqrt(idle * gap);
	return { ...known, idle: Math.min(IDLE_MAX, Math.max(IDLE_MIN, moved)) };
}
