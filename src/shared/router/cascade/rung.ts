import type { Seconds, Tokens, Usd } from "../../units.ts";

/** One model of a ladder or a vote, as it is expected to do on this prompt. */
export interface Rung {
	readonly model: string;
	/** E[quality], 0 to 1. */
	readonly quality: number;
	readonly usd: Usd;
	readonly seconds: Seconds;
	/** E[output tokens]; NaN where nobody knows. */
	readonly outputTokens: Tokens;
}
