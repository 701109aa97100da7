import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelSchema, poolSchema } from "../../../src/shared/catalog/schema.ts";
import { NEUTRAL, type Prior, priorRates } from "../../../src/shared/perf/prior.ts";
import {
	createReplicaModel,
	expectedRoom,
	expectedTpot,
	expectedTtft,
	HALF_LIFE_SECONDS,
	observeTpot,
	observeTtft,
	rates,
	snapshotReplicaModel,
} from "../../../src/shared/perf/replica-model.ts";
import { normals, throughJson, uniforms } from "./support.ts";

const START = 1_800_000_000;

const L4 = priorRates(
	modelSchema.parse({ id: "m", context_length: 8_192, capabilities: ["chat"], parameters_billion: 8.03 }),
	poolSchema.parse({
		id: "p",
		model: "m",
		engine: "vllm",
		gpu: { type: "L4" },
		place: { provider: "x", region: "y" },
		price: { per: "gpu_hour", usd: 1 },
		replicas: [{ id: "r", url: "http://127.0.0.1:8000" }],
	}),
);
const API: Prior = { ...NEUTRAL, spread: 1, floor: null };

describe("a replica's rates", () => {
	test("are the prior's before anything was seen", () => {
		for (const prior of [L4, API]) {
			const learned = rates(createReplicaModel(prior), START);
			expect(learned.overheadSeconds).toBeCloseTo(prior.overheadSeconds, 9);
			expect(learned.prefillTokensPerSecond).toBeCloseTo(prior.prefillTokensPerSecond, 6);
			expect(learned.stepSeconds).toBeCloseTo(prior.stepSeconds, 9);
			expect(learned.stepSecondsPerSequence).toBeCloseTo(prior.stepSecondsPerSequence, 9);
			expect(learned.kvTokens).toBe(prior.kvTokens);
		}
		expect(rates(createReplicaModel(API), START).ttftSigma).toBeGreaterThan(
			rates(createReplicaModel(L4), START).ttftSigma,
		);
	});

	test("are found from noisy answers: TTFT by pending and uncached tokens, TPOT by how many run", () => {
		const model = createReplicaModel(API);
		const uniform = uniforms(1);
		const normal = normals(2);
		const noisy = (value: number): number => value * Math.exp(0.15 * normal() - 0.15 ** 2 / 2);
		let now = START;
		for (let i = 0; i < 500; i++) {
			const pendingTokens = uniform() < 0.5 ? 0 : Math.floor(uniform() * 40_000);
			const uncachedTokens = Math.ceil(Math.exp(uniform() * 9));
			const running = 1 + Math.floor(uniform() * 32);
			const ttft = 0.08 + noisy(0.05 + (pendingTokens + uncachedTokens) / 4_000);
			observeTtft(model, { pendingTokens, uncachedTokens, roundTrip: 0.08, ttft }, ++now);
			const outputTokens = 10 + Math.floor(uniform() * 500);
			const decodeSeconds = (outputTokens - 1) * noisy(0.02 + 0.001 * (running - 1));
			observeTpot(model, { running, outputTokens, decodeSeconds }, now);
		}
		const learned = rates(model, now);
		expect(learned.prefillTokensPerSecond).toBeGreaterThan(4_000 * 0.8);
		expect(learned.prefillTokensPerSecond).toBeLessThan(4_000 * 1.25);
		expect(learned.overheadSeconds).toBeGreaterThan(0.03);
		expect(learned.overheadSeconds).toBeLessThan(0.08);
		expect(learned.stepSeconds).toBeGreaterThan(0.016);
		expect(learned.stepSeconds).toBeLessThan(0.025);
		expect(learned.stepSecondsPerSequence).toBeGreaterThan(0.0007);
		expect(learned.stepSecondsPerSequence).toBeLessThan(0.0014);
		expect(learned.ttftSigma).toBeGreaterThan(0.1);
		expect(learned.ttftSigma).toBeLessThan(0.3);
		// Half of what was learned is forgotten in a half-life without answers.
		const later = rates(model, now + HALF_LIFE_SECONDS);
		expect(later.prefillTokensPerSecond).toBeCloseTo(
			Math.sqrt(learned.prefillTokensPerSecond * NEUTRAL.prefillTokensPerSecond),
			5,
		);
	});

	test("do not beat the floor of the hardware, and the answers that did are counted", () => {
		const model = createReplicaModel(L4);
		for (let i = 0; i < 200; i++) {
			observeTtft(model, { pendingTokens: 0, uncachedTokens: 8_000, roundTrip: 0, ttft: 0.01 }, START + i);
			observeTpot(model, { running: 1, outputTokens: 100, decodeSeconds: 0.1 }, START + i);
		}
		expect(model.belowFloor).toBe(400);
		const learned = rates(model, START + 200);
		expect(1 / learned.prefillTokensPerSecond).toBeGreaterThanOrEqual(L4.floor!.prefillSecondsPerToken * (1 - 1e-9));
		expect(learned.stepSeconds).toBeGreaterThanOrEqual(L4.floor!.stepSeconds * (1 - 1e-9));
	});

	test("an unknown pool has no floor", () => {
		const model = createReplicaModel(API);
		for (let i = 0; i < 200; i++) {
			observeTpot(model, { running: 1, outputTokens: 101, decodeSeconds: 0.05 }, START + i);
		}
		expect(model.belowFloor).toBe(0);
		expect(rates(model, START + 200).stepSeconds).toBeLessThan(0.001);
	});

	test("a round trip longer than the TTFT leaves a small positive one", () => {
		const model = createReplicaModel(API);
		expect(observeTtft(model, { pendingTokens: 0, uncachedTokens: 10, roundTrip: 5, ttft: 0.1 }, START)).toBe(true);
		expect(rates(model, START).overheadSeconds).toBeLessThan(API.overheadSeconds);
	});

	test("short answers say nothing of the TPOT", () => {
		const model = createReplicaModel(API);
		expect(observeTpot(model, { running: 1, outputTokens: 3, decodeSeconds: 9 }, START)).toBe(false);
		expect(rates(model, START).stepSeconds).toBeCloseTo(API.stepSeconds, 9);
	});
});

const number = fc.oneof(
	fc.double(),
	fc.constantFrom(NaN, Infinity, -Infinity, 0, -1, Number.MAX_VALUE, Number.MIN_VALUE),
	fc.double({ min: 0, max: 1e5, noNaN: true }),
);

describe("whatever comes", () => {
	test("rates stay finite and positive, and expectations do too", () => {
		const events = fc.array(fc.tuple(fc.boolean(), number, number, number, number, number), { maxLength: 40 });
		fc.assert(
			fc.property(fc.constantFrom(L4, API), events, number, number, number, (prior, all, now, pending, uncached) => {
				const model = createReplicaModel(prior);
				for (const [first, a, b, c, d, at] of all) {
					if (first) observeTtft(model, { pendingTokens: a, uncachedTokens: b, roundTrip: c, ttft: d }, at);
					else observeTpot(model, { running: a, outputTokens: b, decodeSeconds: c }, at);
				}
				const learned = rates(model, now);
				for (const value of Object.values(learned)) {
					expect(value).toBeGreaterThan(0);
					expect(value).toBeLessThan(Infinity);
				}
				for (const value of [expectedTtft(learned, { pending, uncached }), expectedTpot(learned, pending)]) {
					expect(value).toBeGreaterThan(0);
					expect(value).toBeLessThan(Infinity);
				}
			}),
		);
	});

	test("more pending, more uncached, more running: never less time", () => {
		const amount = fc.double({ min: 0, max: 1e6, noNaN: true });
		fc.assert(
			fc.property(fc.integer(), amount, amount, amount, (seed, pending, uncached, more) => {
				const model = createReplicaModel(L4);
				const uniform = uniforms(seed);
				for (let i = 0; i < 20; i++) {
					const seen = {
						pendingTokens: uniform() * 1e4,
						uncachedTokens: uniform() * 1e4,
						roundTrip: 0,
						ttft: uniform() * 9,
					};
					observeTtft(model, seen, START + i);
					observeTpot(model, { running: uniform() * 64, outputTokens: 50, decodeSeconds: uniform() * 20 }, START + i);
				}
				const learned = rates(model, START + 20);
				const base = expectedTtft(learned, { pending, uncached });
				expect(expectedTtft(learned, { pending: pending + more, uncached })).toBeGreaterThanOrEqual(base);
				expect(expectedTtft(learned, { pending, uncached: uncached + more })).toBeGreaterThanOrEqual(base);
				expect(expectedTpot(learned, pending + more)).toBeGreaterThanOrEqual(expectedTpot(learned, pending));
			}),
		);
	});

	test("a snapshot through JSON predicts the same", () => {
		fc.assert(
			fc.property(fc.integer(), fc.integer({ min: 0, max: 30 }), (seed, count) => {
				const model = createReplicaModel(L4);
				const uniform = uniforms(seed);
				for (let i = 0; i < count; i++) {
					const seen = { pendingTokens: uniform() * 1e4, uncachedTokens: 100, roundTrip: 0.01, ttft: uniform() * 4 };
					observeTtft(model, seen, START + i);
					observeTpot(model, { running: 3, outputTokens: 50, decodeSeconds: uniform() * 10 }, START + i);
				}
				const stored = throughJson(snapshotReplicaModel(model));
				const copy = createReplicaModel(L4, stored);
				expect(copy.belowFloor).toBe(model.belowFloor);
				for (const at of [0, count, 1_000, 1e6]) expect(rates(copy, START + at)).toEqual(rates(model, START + at));
			}),
		);
	});

	test("a damaged snapshot is a fresh model", () => {
		const fresh = rates(createReplicaModel(API), START);
		for (const bad of ["{}", '{"ttft":[1],"tpot":"x","belowFloor":"y"}', '{"ttft":null,"tpot":{},"belowFloor":null}']) {
			const model = createReplicaModel(API, throughJson(snapshotReplicaModel(createReplicaModel(API)), bad));
			expect(rates(model, START)).toEqual(fresh);
			expect(model.belowFloor).toBe(0);
		}
	});

	test("a snapshot of another prior drifts to the new one", () => {
		const model = createReplicaModel(API);
		for (let i = 0; i < 100; i++) observeTpot(model, { running: 1, outputTokens: 101, decodeSeconds: 10 }, START + i);
		const moved = createReplicaModel(L4, snapshotReplicaModel(model));
		expect(rates(moved, START + 100).stepSeconds).toBeGreaterThan(0.09);
		expect(rates(moved, START + 100 + 30 * HALF_LIFE_SECONDS).stepSeconds).toBeCloseTo(L4.stepSeconds, 6);
	});
});

describe("the wait for room in a KV cache", () => {
	test("is none while all fits, and the share of what is held that has to go before", () => {
		expect(expectedRoom({ resident: 60_000, need: 40_000 }, 100_000, 30)).toBe(0);
		expect(expectedRoom({ resident: 80_000, need: 40_000 }, 100_000, 30)).toBeCloseTo(7.5, 9);
		expect(expectedRoom({ resident: 0, need: 400_000 }, 100_000, 30)).toBe(0);
	});

	test("is never longer than the decode of those that hold it, nor less for a larger request", () => {
		const tokens = fc.nat(1_000_000);
		fc.assert(
			fc.property(tokens, tokens, tokens, tokens, (resident, need, more, capacity) => {
				const wait = expectedRoom({ resident, need }, capacity, 20);
				expect(wait).toBeGreaterThanOrEqual(0);
				expect(wait).toBeLessThanOrEqual(20);
				expect(expectedRoom({ resident, need: need + more }, capacity, 20)).toBeGreaterThanOrEqual(wait);
			}),
		);
	});
});

test("rates are worked out anew after an observation, and once a second", () => {
	const model = createReplicaModel(API);
	const first = rates(model, START);
	expect(rates(model, START + 0.9)).toBe(first);
	expect(rates(model, START - 1)).not.toBe(first);
	const seen = { pendingTokens: 0, uncachedTokens: 8_000, roundTrip: 0, ttft: 20 };
	observeTtft(model, seen, START);
	const slower = rates(model, START);
	expect(slower.prefillTokensPerSecond).toBeLessThan(first.prefillTokensPerSecond);
	expect(rates(model, START + 900).prefillTokensPerSecond).toBeGreaterThan(slower.prefillTokensPerSecond);
});
