import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { PoolPricing } from "../../../src/shared/catalog/pricing.ts";
import { nanoFromUsd, tokensAtPrice } from "../../../src/shared/money/nano.ts";
import { congestionUsd, marginalUsd, tokenBill, worstCase } from "../../../src/shared/money/pricing.ts";

const token: PoolPricing & { per: "token" } = {
	per: "token",
	inputNanoPerMillion: nanoFromUsd(0.5),
	cachedInputNanoPerMillion: nanoFromUsd(0.05),
	outputNanoPerMillion: nanoFromUsd(1.5),
};

test("a bill at list prices: 1,000 in (400 cached), 500 out at $0.50, $0.05 and $1.50 a million", () => {
	expect(tokenBill(token, { prompt: 1_000, cached: 400, output: 500 })).toBe(300_000 + 20_000 + 750_000);
});

test("decimal prices do not cost a nano more than they say", () => {
	expect(nanoFromUsd(0.07)).toBe(70_000_000);
	expect(nanoFromUsd(0.1 + 0.2)).toBe(300_000_000);
	expect(nanoFromUsd(1e-9)).toBe(1);
});

test("products beyond 2^53 are exact and rounded up", () => {
	expect(tokensAtPrice(9_999_999, 1_000_000_000_001)).toBe(
		Number((9_999_999n * 1_000_000_000_001n + 999_999n) / 1_000_000n),
	);
});

test("no bill is over the worst case", () => {
	const nano = fc.integer({ min: 0, max: 100_000_000_000 });
	fc.assert(
		fc.property(
			nano,
			nano,
			nano,
			fc.nat(200_000),
			fc.nat(200_000),
			fc.nat(20_000),
			(i, c, o, prompt, cached, output) => {
				const p = {
					per: "token",
					inputNanoPerMillion: i,
					cachedInputNanoPerMillion: c,
					outputNanoPerMillion: o,
				} as const;
				expect(tokenBill(p, { prompt, cached, output })).toBeLessThanOrEqual(worstCase(p, prompt, output, 0));
			},
		),
	);
});

test("a reserved GPU is free at the margin and dearer the fuller it is", () => {
	const gpu: PoolPricing = { per: "gpu_second", nanoPerSecond: 700_000, reserved: true };
	expect(marginalUsd(gpu, { prompt: 1, cached: 0, output: 1 }, 5, { inFlight: 3, limit: 64 })).toBe(0);
	let last = -1;
	for (let inFlight = 0; inFlight < 61; inFlight++) {
		const price = congestionUsd(gpu, 5, { inFlight, limit: 64 });
		expect(price).toBeGreaterThan(last);
		last = price;
	}
});
