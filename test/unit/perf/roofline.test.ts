import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GPUS, gpuByName } from "../../../src/shared/perf/gpus.ts";
import {
	batchMax,
	decodeStepSeconds,
	kvCapacity,
	maxThroughput,
	mixedStepSeconds,
	prefillSeconds,
	SATURATED,
	throughput,
	type Engine,
	type Hardware,
	type ModelShape,
	UNSATURATED,
} from "../../../src/shared/perf/roofline.ts";

function dense(billions: number, layers: number, width: number, kvHeads: number, bytes: number): ModelShape {
	return {
		parameters: billions * 1e9,
		activeParameters: billions * 1e9,
		bytesPerParameter: bytes,
		kvBytesPerToken: layers * 2 * kvHeads * 128 * bytes,
		layers,
		attentionWidth: layers * width,
	};
}

function on(name: string, count = 1): Hardware {
	return { gpu: gpuByName(name)!, count };
}

const LLAMA_8B_FP8 = dense(8.03, 32, 4_096, 8, 1);
const LLAMA_70B_FP8 = dense(70.6, 80, 8_192, 8, 1);
const LLAMA_405B_FP8 = dense(405, 126, 16_384, 8, 1);

const SHAPES: readonly (readonly [number, number])[] = [
	[128, 128],
	[128, 2048],
	[128, 4096],
	[500, 2000],
	[1000, 1000],
	[1000, 2000],
	[2048, 128],
	[2048, 2048],
	[5000, 500],
	[20000, 2000],
];

/** Maximum output tokens/s for SHAPES, from NVIDIA's TensorRT-LLM 1.0 performance overview
 *  (docs/source/performance/perf-overview.md at 00f3768, Apache-2.0). */
const FITTED: readonly (readonly [string, ModelShape, Hardware, readonly number[]])[] = [
	["8B H100", LLAMA_8B_FP8, on("H100"), [28312, 22714, 14325, 17660, 15220, 13899, 3450, 9305, 3459, 1351]],
	["8B H200", LLAMA_8B_FP8, on("H200"), [27911, 26221, 18027, 20770, 17744, 16828, 3538, 12194, 3902, 1804]],
	["70B H100 x2", LLAMA_70B_FP8, on("H100", 2), [6378, 6651, 4199, 5222, 4205, 4146, 762, 3082, 898, 437]],
	["70B H200", LLAMA_70B_FP8, on("H200"), [3803, 4336, 2872, 3666, 2909, 2994, 442, 2003, 566, 283]],
];
/** The same source; the constants were not fitted to these. */
const UNSEEN: typeof FITTED = [
	["405B H200 x8", LLAMA_405B_FP8, on("H200", 8), [3814, 5348, 4741, 4724, 3330, 3722, 456, 2948, 650, 505]],
	["405B H100 x8", LLAMA_405B_FP8, on("H100", 8), [3627, 4340, 3116, 3994, 2919, 2895, 453, 2296, 610, 345]],
];

function logErrors(cases: typeof FITTED): number[] {
	return cases.flatMap(([, shape, hardware, published]) =>
		SHAPES.map(([input, output], index) =>
			Math.log((maxThroughput(shape, hardware, SATURATED, { input, output }) * output) / (published[index] ?? NaN)),
		),
	);
}

function meanAbsolute(values: readonly number[]): number {
	return values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
}

describe("maximum throughput against TensorRT-LLM's published tables", () => {
	test("one set of constants: 40 points within 5.5 % in the mean and 20 % at most", () => {
		const errors = logErrors(FITTED);
		expect(meanAbsolute(errors)).toBeLessThan(0.055);
		expect(Math.max(...errors.map(Math.abs))).toBeLessThan(Math.log(1.2));
	});

	test.each(FITTED)("%s: within 10 % in the mean", (...row) => {
		expect(meanAbsolute(logErrors([row]))).toBeLessThan(0.1);
	});

	test.each(UNSEEN)("%s, not fitted: within 15 % in the mean", (...row) => {
		expect(meanAbsolute(logErrors([row]))).toBeLessThan(0.15);
	});

	test("llama-3.3-70b in fp4 on one B200, 1000/1000: 7,007 tokens/s (same source)", () => {
		const shape = { ...dense(70.6, 80, 8_192, 8, 1), bytesPerParameter: 0.5 };
		const rate = maxThroughput(shape, on("B200"), SATURATED, { input: 1_000, output: 1_000 }) * 1_000;
		expect(Math.abs(Math.log(rate / 7_007))).toBeLessThan(0.25);
	});
});

describe("single numbers from papers", () => {
	const peak: Engine = { compute: 1, bandwidth: 1, stepSeconds: 0, sequenceSeconds: 0 };
	// Fu, "Challenges in Deploying Long-Context Transformers" (arXiv:2405.08944): Yi-34B on A100-80GB at datasheet
	// rates.
	const yi = dense(34.4, 60, 7_168, 8, 2);

	test("Yi-34B: prefill of 4k tokens 0.89 s; 250 tokens after 4k 8.5 s, after 50k 9.8 s", () => {
		const a100 = on("A100");
		expect(prefillSeconds(yi, a100, peak, 4_000)).toBeCloseTo(0.89, 1);
		expect(Math.abs(250 * decodeStepSeconds(yi, a100, peak, 1, 4_000) - 8.5) / 8.5).toBeLessThan(0.04);
		expect(Math.abs(250 * decodeStepSeconds(yi, a100, peak, 1, 50_000) - 9.8) / 9.8).toBeLessThan(0.04);
	});

	test("Yi-34B: prefill of 50k tokens is 14.1 s with half of the causal attention, 18 s with all of it", () => {
		const half = { ...yi, attentionWidth: yi.attentionWidth / 2 };
		expect(Math.abs(prefillSeconds(half, on("A100"), peak, 50_000) - 14.1) / 14.1).toBeLessThan(0.04);
		expect(prefillSeconds(yi, on("A100"), peak, 50_000)).toBeGreaterThan(17);
	});

	// DistServe (82831f1), fitted on one A100-80GB: OPT-13B decodes in 19.9 ms plus 0.627 us a context token.
	test("OPT-13B: a decode step", () => {
		const opt = dense(12.85, 40, 5_120, 40, 2);
		const step = decodeStepSeconds(opt, on("A100"), UNSATURATED, 1, 0);
		expect(Math.abs(step - 0.0199) / 0.0199).toBeLessThan(0.05);
		const context = decodeStepSeconds(opt, on("A100"), UNSATURATED, 1, 1_000) - step;
		expect(Math.abs(context / 1_000 - 6.27e-7) / 6.27e-7).toBeLessThan(0.1);
	});
});

const shapes = fc
	.record({
		parameters: fc.double({ min: 1e8, max: 1e12, noNaN: true }),
		active: fc.double({ min: 0.02, max: 1, noNaN: true }),
		bytesPerParameter: fc.constantFrom(0.5, 1, 2),
		kvBytesPerToken: fc.double({ min: 1e4, max: 1e6, noNaN: true }),
		layers: fc.integer({ min: 8, max: 128 }),
		width: fc.integer({ min: 1_024, max: 16_384 }),
	})
	.map(({ active, width, ...rest }): ModelShape => ({
		...rest,
		activeParameters: rest.parameters * active,
		attentionWidth: rest.layers * width,
	}));
const hardwares = fc.record({ gpu: fc.constantFrom(...GPUS), count: fc.constantFrom(1, 2, 4, 8) });
const requests = fc.record({ input: fc.integer({ min: 1, max: 50_000 }), output: fc.integer({ min: 1, max: 8_000 }) });

describe("properties", () => {
	test("prefill and decode take longer for more tokens, sequences and context", () => {
		fc.assert(
			fc.property(
				shapes,
				hardwares,
				fc.integer({ min: 1, max: 10_000 }),
				fc.integer({ min: 1, max: 500 }),
				(shape, hardware, n, b) => {
					expect(prefillSeconds(shape, hardware, UNSATURATED, n + 100)).toBeGreaterThanOrEqual(
						prefillSeconds(shape, hardware, UNSATURATED, n),
					);
					const step = decodeStepSeconds(shape, hardware, UNSATURATED, b, n);
					expect(decodeStepSeconds(shape, hardware, UNSATURATED, b + 1, n)).toBeGreaterThan(step);
					expect(decodeStepSeconds(shape, hardware, UNSATURATED, b, n + 100)).toBeGreaterThanOrEqual(step);
					expect(mixedStepSeconds(shape, hardware, UNSATURATED, b, { input: n, output: 100 })).toBeGreaterThan(0);
				},
			),
		);
	});

	test("throughput grows with the batch; its maximum never passes the compute bound and keeps the TPOT goal", () => {
		fc.assert(
			fc.property(
				shapes,
				hardwares,
				requests,
				fc.double({ min: 0.001, max: 0.5, noNaN: true }),
				(shape, hardware, request, goal) => {
					const most = batchMax(shape, hardware, request);
					const best = maxThroughput(shape, hardware, SATURATED, request);
					if (most < 1) {
						expect(best).toBe(0);
						return;
					}
					for (const share of [0.25, 0.5, 1]) {
						expect(throughput(shape, hardware, SATURATED, most * share, request)).toBeLessThanOrEqual(
							best * (1 + 1e-9),
						);
					}
					const { fp16, fp8 = fp16, fp4 = fp8 } = hardware.gpu.flops;
					const compute = 2 * shape.activeParameters * (request.input + request.output) * best;
					expect(compute).toBeLessThanOrEqual(hardware.count * Math.max(fp16, fp8, fp4));

					const slow = maxThroughput(shape, hardware, SATURATED, request, goal);
					expect(slow).toBeLessThanOrEqual(best);
					if (slow === 0) {
						expect(1 / (request.output * throughput(shape, hardware, SATURATED, 1, request))).toBeGreaterThan(goal);
					} else if (slow < best) {
						// At the goal: one more sequence would miss it.
						const batch = slow * request.output * goal;
						const next = throughput(shape, hardware, SATURATED, batch * 1.001, request);
						expect((batch * 1.001) / (request.output * next)).toBeGreaterThan(goal * (1 - 1e-6));
					}
				},
			),
		);
	});

	test("a model that does not fit has no capacity", () => {
		expect(kvCapacity(dense(70.6, 80, 8_192, 8, 2), on("L4"))).toBe(0);
		expect(maxThroughput(dense(70.6, 80, 8_192, 8, 2), on("L4"), SATURATED, { input: 100, output: 100 })).toBe(0);
		expect(kvCapacity(LLAMA_8B_FP8, on("H100"))).toBeCloseTo((72e9 - 8.03e9) / 65_536, -1);
	});

	test("a mixture of experts reads its active weights for one token and all of them for many", () => {
		const moe = { ...LLAMA_70B_FP8, activeParameters: 7.06e9, kvBytesPerToken: 1 };
		const engine = { compute: 1, bandwidth: 1, stepSeconds: 0, sequenceSeconds: 0 };
		expect(decodeStepSeconds(moe, on("H100"), engine, 1, 0)).toBeCloseTo(7.06e9 / 3.35e12, 5);
		expect(decodeStepSeconds(moe, on("H100"), engine, 200, 0)).toBeCloseTo(70.6e9 / 3.35e12, 5);
	});
});
