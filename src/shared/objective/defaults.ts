import type { Seconds, Usd } from "../units.ts";

/** Where a key's policy says nothing else: v, the TTFT goal, and how many times v a second over the goal costs (v_slo). */
export const VALUE_OF_SECOND: Usd = 0.001;
export const TTFT_GOAL: Seconds = 2;
export const LATE_FACTOR = 10;
