import type { PoolPricing } from "../catalog/pricing.ts";
import type { NanoUsd, Seconds, Tokens, Usd } from "../units.ts";
import { secondsAtPrice, tokensAtPrice, usdFromNano } from "./nano.ts";

export interface TokenCounts {
	readonly prompt: Tokens;
	readonly cached: Tokens;
	readonly output: Tokens;
}

/** The bill of a token-priced request. Each kind is rounded up on its own, as providers' invoices are. */
export function tokenBill(pricing: Extract<PoolPricing, { per: "token" }>, tokens: TokenCounts): NanoUsd {
	const cached = Math.min(tokens.cached, tokens.prompt);
	return (
		tokensAtPrice(tokens.prompt - cached, pricing.inputNanoPerMillion) +
		tokensAtPrice(cached, pricing.cachedInputNanoPerMillion) +
		tokensAtPrice(tokens.output, pricing.outputNanoPerMillion)
	);
}

/** An upper bound on what a request can cost at a pool: what is reserved before it is sent. A prompt token may be billed at
 *  the dearer of the two input prices. GPU time is bounded by `secondsMax`, alone on the GPU. */
export function worstCase(pricing: PoolPricing, promptMax: Tokens, outputMax: Tokens, secondsMax: Seconds): NanoUsd {
	if (pricing.per === "gpu_second") return secondsAtPrice(secondsMax, pricing.nanoPerSecond);
	const input = Math.max(pricing.inputNanoPerMillion, pricing.cachedInputNanoPerMillion);
	// One nano more than one rounding: cached and uncached tokens are each rounded up.
	return tokensAtPrice(promptMax, input) + 1 + tokensAtPrice(outputMax, pricing.outputNanoPerMillion);
}

/** How full a replica is when a request meets it. */
export interface Occupancy {
	readonly inFlight: number;
	readonly limit: number;
}

/** E[marginal $]: what the request adds to the invoice. A reserved GPU costs nothing more; a busy serverless GPU costs
 *  only the time by which the request keeps it busy longer, on average its share among those in flight. */
export function marginalUsd(pricing: PoolPricing, tokens: TokenCounts, seconds: Seconds, at: Occupancy): Usd {
	if (pricing.per === "token") return usdFromNano(tokenBill(pricing, tokens));
	if (pricing.reserved) return 0;
	return (usdFromNano(pricing.nanoPerSecond) * seconds) / (at.inFlight + 1);
}

const UTILISATION_MAX = 0.95;

/** The congestion price of a GPU paid by time: the request's share of the GPU (one of `limit` places) times u / (1 - u),
 *  the queue that a server at utilisation u carries (M/M/1). Without it a reserved GPU, whose marginal price is zero,
 *  would attract everything. */
export function congestionUsd(pricing: PoolPricing, seconds: Seconds, at: Occupancy): Usd {
	if (pricing.per === "token") return 0;
	const u = Math.min(at.inFlight / at.limit, UTILISATION_MAX);
	return (usdFromNano(pricing.nanoPerSecond) * seconds * (u / (1 - u))) / at.limit;
}
