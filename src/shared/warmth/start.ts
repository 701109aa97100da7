import type { Seconds, Usd } from "../units.ts";

/** What a request that is sent to a replica now may have to wait for. */
export interface Start {
	/** P(cold), in [0, 1]. */
	readonly probability: number;
	/** E[seconds that it waits], if it is: of a replica that is waking already, what is left. */
	readonly seconds: Seconds;
	/** Standard deviation of the logarithm of these seconds. */
	readonly sigma: number;
	/** What is waited at most, with a probability of 99 %. */
	readonly secondsMax: Seconds;
	/** What the start adds to the invoice, if there is one; nothing where it is waking already. */
	readonly usd: Usd;
	/** What going elsewhere has cost since it went cold. */
	readonly regret: Usd;
}
