import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stepsSeconds } from "../../../../bench/replay/engine/spec.ts";
import { simulate } from "../../../../bench/replay/simulate.ts";
import { seeded } from "../../../simulator/random.ts";
import { PLAIN, requestOf, toFirst, traceOf } from "./support.ts";

describe("one request alone", () => {
	test("has its first token after overhead, steps and tokens over the rate, and its last after the other steps", () => {
		const spec = { ...PLAIN, overheadSeconds: 0.03, stepSeconds: 0.01, stepSecondsPerSequence: 0.002 };
		const { ttft, seconds } = simulate(traceOf([requestOf(5, 5_000, 11)]), [spec], toFirst);
		// 5,000 tokens fill three steps of at most 2,048.
		expect(ttft[0]).toBeCloseTo(0.03 + 0.5 + 3 * 0.01, 9);
		expect(seconds[0]! - ttft[0]!).toBeCloseTo(10 * 0.012, 9);
	});

	test("reads its context in each step, which grows by a token a step", () => {
		const spec = { ...PLAIN, stepSecondsPerContextToken: 1e-6 };
		const { ttft, seconds } = simulate(traceOf([requestOf(0, 1_000, 4)]), [spec], toFirst);
		expect(seconds[0]! - ttft[0]!).toBeCloseTo(1e-6 * (1_001 + 1_002 + 1_003), 12);
	});
});

test("several steps take as long as one after the other", () => {
	const spec = { ...PLAIN, stepSeconds: 0.01, stepSecondsPerSequence: 1e-3, stepSecondsPerContextToken: 1e-7 };
	let sum = 0;
	for (let n = 0; n < 9; n++) sum += stepsSeconds(spec, { prefill: 100, decoding: 7, context: 50_000 + 7 * n }, 1);
	expect(stepsSeconds(spec, { prefill: 100, decoding: 7, context: 50_000 }, 9)).toBeCloseTo(sum, 12);
});

test("prompts are filled first come, first served", () => {
	const trace = traceOf([requestOf(0, 10_000, 1, 0), requestOf(0.1, 10_000, 1, 100), requestOf(0.2, 1_000, 1, 200)]);
	const { ttft } = simulate(trace, [PLAIN], toFirst);
	const firstAt = trace.requests.map(({ at }, id) => at + ttft[id]!);
	// A step with room left begins the next prompt: five steps of 2,048 tokens, then five more, then the rest.
	expect(firstAt[0]).toBeCloseTo(1.024, 6);
	expect(firstAt[1]).toBeCloseTo(2.048, 6);
	expect(firstAt[2]).toBeCloseTo(2.1, 6);
});

test("decodes go on while a prompt is filled, at the pace of its steps", () => {
	const trace = traceOf([requestOf(0, 100, 5, 0), requestOf(0.011, 20_470, 1, 100)]);
	const { seconds } = simulate(trace, [{ ...PLAIN, stepSeconds: 0.01 }], toFirst);
	// Its prompt takes 0.02 s; then four steps of 2,048 tokens each, one of them its own.
	expect(seconds[0]).toBeCloseTo(0.02 + 4 * (0.01 + 2_047 / 10_000), 6);
});

describe("the prefix cache", () => {
	test("gives a later equal prompt all but its last token's block", () => {
		const trace = traceOf([requestOf(0, 5_120), requestOf(10, 5_120), requestOf(20, 6_000)]);
		const { ttft, cached } = simulate(trace, [PLAIN], toFirst);
		expect([...cached]).toEqual([0, 9 * 512, 10 * 512]);
		expect(ttft[1]).toBeCloseTo(512 / 10_000, 9);
		expect(ttft[2]).toBeCloseTo(880 / 10_000, 9);
	});

	test("gives a prompt that comes while the same is filled what is computed when it begins", () => {
		const trace = traceOf([requestOf(0, 20_480), requestOf(0.5, 20_480)]);
		const { cached } = simulate(trace, [PLAIN], toFirst);
		// It begins in the step that has room left: after 18,432 tokens are filled there are 36 blocks.
		expect(cached[1]! / 512).toBeGreaterThanOrEqual(36);
	});

	test("gives up the least recently used, and the end of a chain before its beginning", () => {
		const spec = { ...PLAIN, kvBlocks: 25 };
		const long = requestOf(0, 5_121, 1, 0);
		const other = requestOf(10, 7_681, 1, 100);
		const trace = traceOf([long, other, { ...long, at: 20 }]);
		// 11 and 16 blocks with those that the answers need; two of the first ten have to go, since its last was freed.
		expect(simulate(trace, [spec], toFirst).cached[2]).toBe(9 * 512);
	});

	test("is empty after a restart, and what ran then ends in order", () => {
		const trace = traceOf([0, 10, 20, 30].map((at) => requestOf(at, 5_120, 50)));
		// The first while it is computed, the second after it has ended.
		const restarts = [0.45, 15].map((at) => ({ at, replica: 0 }));
		expect([...simulate(trace, [PLAIN], toFirst, restarts).cached]).toEqual([0, 0, 0, 9 * 512]);
	});
});

test("a sequence waits until there is memory for its prompt and its answer", () => {
	const spec = { ...PLAIN, stepSeconds: 0.01, kvBlocks: 12 };
	const { ttft } = simulate(traceOf([requestOf(0, 5_000, 100), requestOf(0, 5_000, 1, 100)]), [spec], toFirst);
	const alone = simulate(traceOf([requestOf(0, 5_000, 100)]), [spec], toFirst);
	expect(ttft[1]).toBeGreaterThan(alone.seconds[0]!);
});

test("M/D/1: the mean TTFT is that of Pollaczek and Khinchine", () => {
	const rng = seeded(7);
	let at = 0;
	const service = 0.2;
	const utilisation = 0.7;
	const requests = Array.from({ length: 40_000 }, () => {
		at += (-Math.log(1 - rng()) * service) / utilisation;
		return { ...requestOf(at, 2_000), blocks: new Int32Array(0) };
	});
	// One prompt a step, so that it is a single server.
	const { ttft } = simulate(traceOf(requests), [{ ...PLAIN, stepTokens: 2_000 }], toFirst);
	const mean = ttft.reduce((sum, each) => sum + each, 0) / ttft.length;
	expect(mean / (service + (utilisation * service) / (2 * (1 - utilisation)))).toBeCloseTo(1, 1);
});

test("whatever comes, every request ends once, none before it could, and all memory is free again", () => {
	const request = fc.record({
		gap: fc.double({ min: 0, max: 2, noNaN: true }),
		input: fc.integer({ min: 1, max: 8_000 }),
		output: fc.integer({ min: 1, max: 60 }),
		first: fc.integer({ min: 0, max: 40 }),
	});
	fc.assert(
		fc.property(
			fc.array(request, { minLength: 1, maxLength: 40 }),
			fc.integer({ min: 20, max: 60 }),
			fc.integer({ min: 1, max: 5 }),
			(list, kvBlocks, runningMax) => {
				let at = 0;
				const trace = traceOf(
					list.map(({ gap, input, output, first }) => requestOf((at += gap), input, output, first)),
				);
				const spec = { ...PLAIN, stepSeconds: 0.01, kvBlocks, runningMax, stepTokens: 700 };
				const engines: { used: number }[] = [];
				const outcome = simulate(
					trace,
					[spec, spec],
					(world) => {
						engines.push(...world.engines.map(({ cache }) => cache));
						return { route: (id, _request, send) => send(id % 2) };
					},
					[{ at: at / 2, replica: 0 }],
				);
				trace.requests.forEach(({ input, output }, id) => {
					const computed = input - outcome.cached[id]!;
					expect(computed).toBeGreaterThanOrEqual(1);
					expect(outcome.ttft[id]).toBeGreaterThanOrEqual(computed / 10_000 - 1e-9);
					expect(outcome.seconds[id]! - outcome.ttft[id]!).toBeGreaterThanOrEqual(0.01 * (output - 1) - 1e-9);
				});
				expect(engines.map(({ used }) => used)).toEqual([0, 0]);
			},
		),
		{ numRuns: 60 },
	);
});
