import type { Seconds } from "../units.ts";

/** What a catalog may name of ladders and votes. Apart from the rules themselves, which only some requests need. */
export const RUNGS_MAX = 3;
export const VOTERS_MIN = 2;
export const VOTERS_MAX = 5;

/** Ours: one stored answer, which is one row. Longer ones are not kept. */
export const CACHE_ANSWER_BYTES_MAX = 1_000_000;
/** Ours: what one tenant's cache holds; the answers that were used longest ago go first. */
export const CACHE_BYTES_MAX = 64_000_000;
export const CACHE_ANSWERS_MAX = 50_000;
/** How long an answer may be given again. */
export const CACHE_TTL_SECONDS: Seconds = 3_600;
export const CACHE_TTL_SECONDS_MAX: Seconds = 7 * 86_400;
