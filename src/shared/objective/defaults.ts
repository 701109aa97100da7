import type { Seconds, Usd } from "../units.ts";

/** Where a key's policy says nothing else: v, the TTFT goal, and how many times v a second over the goal costs (v_slo). */
export const VALUE_OF_SECOND: Usd = 0.001;
export const TTFT_GOAL: Seconds = 2;
export const LATE_FACTOR = 10;

/** v_quality: what an answer costs that is wrong where the best model's would have been right. At v, 50 seconds of its reader's. */
export const QUALITY_USD: Usd = 0.05;
