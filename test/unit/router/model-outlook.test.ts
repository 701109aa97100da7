import { describe, expect, test } from "vitest";
import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import { ModelOutlook } from "../../../src/shared/router/model-outlook.ts";
import { optionsOf, weighted } from "../../../src/shared/router/options.ts";
import type { Outlook } from "../../../src/shared/scheduler/messages.ts";
import type { PeerReplica } from "../../../src/shared/scheduler/peers.ts";
import { modelWith, POLICY, question } from "./support.ts";

const T0 = 1_700_000_000;
const NOTHING = { fromCard: Number.NaN, held: null };

function told(replica: string, inFlight: number, open = true): PeerReplica {
	const pendingTokens = inFlight * 20_000;
	return { replica, open, inFlight, pendingTokens, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
}

function outlook(from: string, replicas: PeerReplica[], more: Partial<Outlook> = {}): Outlook {
	return {
		summary: { from, replicas },
		bytesPerToken: 4,
		outputLength: { mean: Math.log(100), variance: 0.25, count: 0 },
		roundTrips: {},
		...more,
	};
}

function outlookOf(model: CatalogModel): ModelOutlook {
	const made = new ModelOutlook();
	made.configure(model, T0);
	return made;
}

const TWO = modelWith("m", [{}, { price: { per: "million_tokens", input: 3, output: 3 } }]);

describe("what is expected of a model", () => {
	test("is by the catalog alone until its schedulers have told", () => {
		const { decision, busy } = outlookOf(TWO).expect(question(), Number.NaN, null, T0);
		expect(busy).toBe(false);
		expect(decision.ranked.map(({ pool }) => pool)).toEqual(["m-0", "m-1"]);
	});

	test("counts the load that was told for some seconds, and then no more", () => {
		const m = outlookOf(TWO);
		const seconds = (now: number) => m.expect(question(), Number.NaN, null, now).decision.ranked[0]!.expectedSeconds;
		const before = seconds(T0);
		m.hear(outlook("m/global/0", [told("m-0/a", 5), told("m-1/a", 5)]), T0);
		const loaded = seconds(T0 + 1);
		expect(loaded).toBeGreaterThan(before + 5);
		expect(seconds(T0 + 10)).toBeLessThan(loaded);
	});

	test("adds up what the schedulers of several groups tell of their own", () => {
		const m = outlookOf(TWO);
		m.hear(outlook("m/near/0", [told("m-0/a", 5)]), T0);
		m.hear(outlook("m/far/0", [told("m-1/a", 0)]), T0);
		expect(m.expect(question(), Number.NaN, null, T0).decision.ranked[0]!.pool).toBe("m-1");
	});

	test("is as if nothing was known where no replica takes requests, until that is old", () => {
		const m = outlookOf(TWO);
		m.hear(outlook("m/global/0", [told("m-0/a", 64, false), told("m-1/a", 64, false)]), T0);
		const shut = m.expect(question(), Number.NaN, null, T0 + 1);
		expect(shut.busy).toBe(true);
		expect(shut.decision.ranked[0]!.pool).toBe("m-0");
		expect(m.expect(question(), Number.NaN, null, T0 + 6).busy).toBe(false);
	});

	test("counts what the conversation's replica holds of the prompt, there and nowhere else", () => {
		const model = modelWith("m", [{ price: { per: "million_tokens", input: 10, output: 10, cached_input: 1 } }]);
		const m = outlookOf(model);
		const usd = (replica: string) =>
			m.expect(question(), Number.NaN, { replica, tokens: 900 }, T0).decision.ranked[0]!.expectedUsd;
		expect(usd("other/a") - usd("m-0/a")).toBeCloseTo((900 * 9) / 1e6, 9);
	});

	test("is for the length that the weights expect of the prompt, then for the model's own", () => {
		const m = outlookOf(TWO);
		expect(m.outputTokens(1_000, 400)).toBeCloseTo(400, 6);
		m.hear(outlook("m/global/0", [], { outputLength: { mean: Math.log(100), variance: 0.04, count: 20 } }), T0);
		expect(m.outputTokens(1_000, 400)).toBeGreaterThan(240);
		expect(m.outputTokens(1_000, 400)).toBeLessThan(260);
		expect(m.outputTokens(50, 400)).toBeLessThanOrEqual(50);
		expect(m.outputTokens(1_000, Number.NaN)).toBeCloseTo(102, 0);
	});

	test("is at the bytes per token and the round trips that were told", () => {
		const m = outlookOf(TWO);
		const at = () => m.expect(question(), Number.NaN, null, T0).decision.ranked[0]!;
		const before = at();
		m.hear(outlook("m/global/0", [], { bytesPerToken: 2, roundTrips: { "m-0": 0.5, "m-1": 0.5 } }), T0);
		expect(at().expectedTtft).toBeGreaterThan(before.expectedTtft + 0.49);
		expect(at().expectedUsd).toBeGreaterThan(before.expectedUsd);
	});
});

describe("the options of a model", () => {
	const zoned = modelWith("m", [
		{ privacy: "public", price: { per: "million_tokens", input: 1, output: 1 } },
		{ privacy: "contract", price: { per: "million_tokens", input: 2, output: 2 } },
		{ privacy: "own", price: { per: "million_tokens", input: 4, output: 4 } },
	]);
	const options = (weights = {}, policy = {}) => {
		const request = question({ policy: { ...POLICY, ...policy } });
		const found = optionsOf(zoned, outlookOf(zoned), request, weights, NOTHING, T0);
		return found.ok ? found.value.map(({ pool, zone }) => `${pool} ${zone}`) : found.error;
	};

	test("are its best pool, or where privacy has a price the best of each zone", () => {
		expect(options()).toEqual(["m-0 public"]);
		expect(options({ privacy: 0.01 })).toEqual(["m-2 own", "m-1 contract", "m-0 public"]);
		expect(options({ privacy: 0.01 }, { privacy: "contract" })).toEqual(["m-2 own", "m-1 contract"]);
	});

	test("are none where it is over the ceiling, or the prompt is longer than was thought", () => {
		expect(options({}, { priceCeiling: 1e-9 })).toBe("price_ceiling");
		const request = question({ promptBytes: 500_000, promptTokensMax: 500_000 });
		const found = optionsOf(zoned, outlookOf(zoned), request, {}, NOTHING, T0);
		expect(found).toEqual({ ok: false, error: "context" });
	});

	test("have the weights of cost and latency in their terms", () => {
		const terms = (weights: { cost?: number; latency?: number }) => {
			const request = question({ policy: weighted(POLICY, weights) });
			const found = optionsOf(TWO, outlookOf(TWO), request, weights, NOTHING, T0);
			return found.ok ? found.value[0]!.terms : undefined;
		};
		const plain = terms({})!;
		const weighed = terms({ cost: 3, latency: 5 })!;
		expect(weighed.money).toBeCloseTo(3 * plain.money, 12);
		expect(weighed.time).toBeCloseTo(5 * plain.time, 12);
		expect(weighed.late).toBeCloseTo(5 * plain.late, 12);
	});
});
