import { nanoFromUsd } from "../money/nano.ts";
import type { NanoUsd } from "../units.ts";
import type { Price } from "./schema.ts";

/** A pool's price in the integers that bills are made of. */
export type PoolPricing =
	| {
			readonly per: "token";
			readonly inputNanoPerMillion: NanoUsd;
			readonly outputNanoPerMillion: NanoUsd;
			readonly cachedInputNanoPerMillion: NanoUsd;
	  }
	/** `reserved`: paid whether the replica works or not, so that one more request adds nothing to the bill. */
	| { readonly per: "gpu_second"; readonly nanoPerSecond: NanoUsd; readonly reserved: boolean };

const SECONDS_PER_HOUR = 3_600;

/** Rounded up to the nano-dollar. Cached input costs what input costs where the catalog does not say. */
export function pricingOf(price: Price): PoolPricing {
	if (price.per === "million_tokens") {
		return {
			per: "token",
			inputNanoPerMillion: nanoFromUsd(price.input),
			outputNanoPerMillion: nanoFromUsd(price.output),
			cachedInputNanoPerMillion: nanoFromUsd(price.cached_input ?? price.input),
		};
	}
	const reserved = price.per === "gpu_hour";
	const nano = nanoFromUsd(price.usd);
	return { per: "gpu_second", nanoPerSecond: reserved ? Math.ceil(nano / SECONDS_PER_HOUR) : nano, reserved };
}
