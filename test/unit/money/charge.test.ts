import { expect, test } from "vitest";
import { chargeOf, type Observed } from "../../../src/shared/money/charge.ts";

const token = {
	per: "token",
	inputNanoPerMillion: 1_000_000_000,
	cachedInputNanoPerMillion: 100_000_000,
	outputNanoPerMillion: 2_000_000_000,
} as const;
const gpu = { per: "gpu_second", nanoPerSecond: 700_000, reserved: false } as const;
const observed: Observed = {
	outcome: "ok",
	pricing: token,
	usage: { promptTokens: 100, completionTokens: 50, cachedTokens: 40 },
	tokenEvents: 48,
	promptEstimate: 90,
	outputMax: 4_096,
	answered: true,
	seconds: 3,
	share: null,
	reserved: 1_000_000_000,
};

test("the pool's own count is billed, cached tokens at their price", () => {
	expect(chargeOf(observed)).toMatchObject({
		source: "reported",
		promptTokens: 100,
		completionTokens: 50,
		cost: 60_000 + 4_000 + 100_000,
	});
});

test("an answer that was cut is billed for what passed", () => {
	const charge = chargeOf({ ...observed, outcome: "client_gone", usage: null });
	expect(charge).toMatchObject({ source: "counted", promptTokens: 90, completionTokens: 48, cost: 90_000 + 96_000 });
});

test("a whole answer that tells nothing is billed at the most it can have been", () => {
	expect(chargeOf({ ...observed, usage: null, tokenEvents: 0 })).toMatchObject({
		source: "worst_case",
		completionTokens: 4_096,
	});
});

test("what no pool began to answer costs nothing", () => {
	expect(chargeOf({ ...observed, outcome: "failed", usage: null, tokenEvents: 0, answered: false })).toMatchObject({
		cost: 0,
		actual: 0,
	});
});

test("GPU time is billed by the attributed share, alone on the GPU where none is known", () => {
	expect(chargeOf({ ...observed, pricing: gpu, share: { seconds: 0.5 } }).cost).toBe(350_000);
	expect(chargeOf({ ...observed, pricing: gpu }).cost).toBe(2_100_000);
});

test("of the share the seconds of a start that was waited for are told apart, and never over what is paid", () => {
	const started = { ...observed, pricing: gpu, share: { seconds: 12, startSeconds: 10 } };
	expect(chargeOf(started)).toMatchObject({ cost: 8_400_000, start: 7_000_000 });
	expect(chargeOf({ ...started, reserved: 5_000_000 })).toMatchObject({ cost: 5_000_000, start: 5_000_000 });
	expect(chargeOf({ ...started, pricing: token }).start).toBe(0);
	expect(chargeOf(observed).start).toBe(0);
});

test("the tenant never pays more than was reserved; the excess is shown", () => {
	expect(chargeOf({ ...observed, reserved: 1_000 })).toMatchObject({ cost: 1_000, actual: 164_000 });
});
