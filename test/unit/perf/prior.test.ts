import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Model, modelSchema, type Pool, poolSchema } from "../../../src/shared/catalog/schema.ts";
import { GPUS } from "../../../src/shared/perf/gpus.ts";
import {
	NEUTRAL,
	priorRates,
	shapeOf,
	SPREAD_NEUTRAL,
	SPREAD_ROOFLINE,
	SPREAD_STATED,
} from "../../../src/shared/perf/prior.ts";
import { expectedTtft } from "../../../src/shared/perf/replica-model.ts";

function model(billions: number | undefined, extra: object = {}): Model {
	return modelSchema.parse({
		id: "m",
		context_length: 8_192,
		capabilities: ["chat"],
		...(billions !== undefined && { parameters_billion: billions }),
		...extra,
	});
}

function pool(gpu: string | undefined, count = 1, extra: object = {}): Pool {
	return poolSchema.parse({
		id: "p",
		model: "m",
		engine: "vllm",
		...(gpu !== undefined && { gpu: { type: gpu, count } }),
		place: { provider: "x", region: "y" },
		price: { per: "gpu_hour", usd: 1 },
		replicas: [{ id: "r", url: "http://127.0.0.1:8000" }],
		...extra,
	});
}

const LLAMA_2_70B = model(69, { kv_bytes_per_token: 327_680 });

function ttftMs(gpu: string, count: number, prompt: number): number {
	return 1_000 * expectedTtft(priorRates(LLAMA_2_70B, pool(gpu, count)), { pending: 0, uncached: prompt });
}

describe("against measurements", () => {
	// Medians of splitwise_perf_model (Mutinifni/splitwise-sim 8f99e7d, MIT), DGX-A100 and DGX-H100, llama2-70b,
	// batch 1, in ms.
	test.each([
		["A100-80GB", 4, 512, 127.0],
		["A100-80GB", 4, 1_024, 227.1],
		["A100-80GB", 4, 2_048, 403.3],
		["H100", 4, 512, 59.7],
		["H100", 4, 1_024, 105.6],
		["H100", 4, 2_048, 200.7],
		["A100-80GB", 8, 512, 93.0],
		["A100-80GB", 8, 2_048, 274.2],
		["H100", 8, 512, 53.9],
		["H100", 8, 2_048, 136.8],
	])("TTFT of llama2-70b on %s x%i, %i tokens: %f ms within 30 %%", (gpu, count, prompt, ms) => {
		expect(Math.abs(Math.log(ttftMs(gpu, count, prompt) / ms))).toBeLessThan(Math.log(1.3));
	});

	// The same data: a decode step at TP2. At TP4 and TP8 that engine (vLLM of 2023) took 29 to 45 ms whatever the
	// GPUs, all of it CPU time, which engines of today no longer need: the prior is deliberately below.
	test.each([
		["A100-80GB", 54.9],
		["H100", 37.1],
	])("TPOT of llama2-70b on %s x2: %f ms within 15 %%", (gpu, ms) => {
		const { stepSeconds } = priorRates(LLAMA_2_70B, pool(gpu, 2));
		expect(Math.abs(Math.log((stepSeconds * 1_000) / ms))).toBeLessThan(Math.log(1.15));
	});

	test("every measured figure lies within two spreads, and none beats the floor", () => {
		const measured: [string, number, number][] = [
			["A100-80GB", 4, 44.5],
			["H100", 4, 29.4],
			["A100-80GB", 8, 45.0],
			["H100", 8, 30.6],
		];
		for (const [gpu, count, ms] of measured) {
			const { stepSeconds, spread, floor } = priorRates(LLAMA_2_70B, pool(gpu, count));
			expect(Math.abs(Math.log(ms / (stepSeconds * 1_000)))).toBeLessThan(2 * spread);
			expect(ms / 1_000).toBeGreaterThan(floor!.stepSeconds);
		}
	});
});

describe("what the catalog does not say", () => {
	test.each([
		// Published configurations: layers x 2 x KV heads x head size x 2 bytes.
		["Llama-3.1-8B", 8.03, undefined, 32 * 2 * 8 * 128 * 2, 1.01],
		["Llama-3.1-70B", 70.6, undefined, 80 * 2 * 8 * 128 * 2, 1.01],
		["Qwen2.5-32B", 32.8, undefined, 64 * 2 * 8 * 128 * 2, 1.3],
		["Qwen3-235B-A22B", 235, 22, 94 * 2 * 4 * 128 * 2, 1.3],
		["Mixtral-8x7B", 46.7, 12.9, 32 * 2 * 8 * 128 * 2, 1.3],
	])("KV bytes of %s by its size", (_name, all, active, kv, factor) => {
		const shape = shapeOf(model(all, active === undefined ? {} : { active_parameters_billion: active }))!;
		expect(Math.abs(Math.log(shape.kvBytesPerToken / kv))).toBeLessThan(Math.log(factor));
	});

	test("what it says is used", () => {
		const shape = shapeOf(
			model(8, { kv_bytes_per_token: 1_000, bytes_per_parameter: 1, active_parameters_billion: 2 }),
		)!;
		expect(shape).toMatchObject({
			kvBytesPerToken: 1_000,
			bytesPerParameter: 1,
			activeParameters: 2e9,
			parameters: 8e9,
		});
	});
});

describe("which prior", () => {
	test("a commercial API, an unknown GPU and a model of unknown size are neutral and uncertain", () => {
		const neutral = { ...NEUTRAL, spread: SPREAD_NEUTRAL, floor: null };
		expect(priorRates(model(8), pool(undefined))).toEqual(neutral);
		expect(priorRates(model(8), pool("Quantum-9000"))).toEqual(neutral);
		expect(priorRates(model(undefined), pool("H100"))).toEqual(neutral);
	});

	test("stated rates take precedence, with or without a known GPU", () => {
		const rates = { prefill_tokens_per_second: 5_000, seconds_per_output_token: 0.02 };
		for (const type of ["H100", undefined]) {
			const prior = priorRates(model(8.03), pool(type, 1, { rates }));
			expect(prior).toMatchObject({ prefillTokensPerSecond: 5_000, stepSeconds: 0.02, spread: SPREAD_STATED });
		}
		const roofline = priorRates(model(8.03), pool("H100"));
		expect(priorRates(model(8.03), pool("H100", 1, { rates })).floor).toEqual(roofline.floor);
	});

	test("stated rates that the GPU cannot reach remove its floor", () => {
		const rates = { prefill_tokens_per_second: 1e6, seconds_per_output_token: 0.02 };
		expect(priorRates(model(8.03), pool("L4", 1, { rates })).floor).toBeNull();
	});

	test("faster GPUs have faster priors", () => {
		const priors = ["T4", "A10G", "A100", "H100", "H200", "B200"].map((gpu) => priorRates(model(3), pool(gpu)));
		const prefill = priors.map((prior) => prior.prefillTokensPerSecond);
		const step = priors.map((prior) => prior.stepSeconds);
		expect(prefill).toEqual(prefill.toSorted((a, b) => a - b));
		expect(step).toEqual(step.toSorted((a, b) => b - a));
		for (const { spread } of priors) expect(spread).toBe(SPREAD_ROOFLINE);
	});
});

test("any catalog entry: finite positive rates that keep their own floor, and room for one context", () => {
	fc.assert(
		fc.property(
			fc.double({ min: 1e-3, max: 5_000, noNaN: true }),
			fc.double({ min: 1e-3, max: 5_000, noNaN: true }),
			fc.constantFrom(0.25, 0.5, 1, 2, 4),
			fc.constantFrom(...GPUS.map((gpu) => gpu.name)),
			fc.integer({ min: 1, max: 64 }),
			(all, active, bytes, gpu, count) => {
				const prior = priorRates(
					model(all, { active_parameters_billion: active, bytes_per_parameter: bytes }),
					pool(gpu, count),
				);
				const { floor, ...numbers } = prior;
				for (const value of Object.values(numbers)) {
					expect(Number.isFinite(value)).toBe(true);
					expect(value).toBeGreaterThan(0);
				}
				expect(prior.stepSeconds).toBeGreaterThan(floor!.stepSeconds);
				expect(1 / prior.prefillTokensPerSecond).toBeGreaterThan(floor!.prefillSecondsPerToken);
				expect(prior.kvTokens).toBeGreaterThanOrEqual(8_192);
			},
		),
	);
});
