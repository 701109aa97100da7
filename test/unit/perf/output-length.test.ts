import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterAnswer, expectedLength } from "../../../src/shared/perf/length-belief.ts";
import { OutputLengths } from "../../../src/shared/perf/output-length.ts";
import { normals, throughJson } from "./support.ts";

/** `count` answers, log-normal with this mean and sigma, cut at `limit`. Returns the mean of what was served. */
function serve(
	lengths: OutputLengths,
	key: string,
	mean: number,
	sigma: number,
	limit: number,
	count: number,
	seed: number,
): number {
	const normal = normals(seed);
	let sum = 0;
	for (let i = 0; i < count; i++) {
		const full = Math.max(1, Math.round(mean * Math.exp(sigma * normal() - sigma ** 2 / 2)));
		lengths.observe("m", key, Math.min(full, limit), full >= limit);
		sum += Math.min(full, limit);
	}
	return sum / count;
}

function close(value: number, truth: number, share: number): void {
	expect(Math.abs(Math.log(value / truth))).toBeLessThan(Math.log(1 + share));
}

describe("predicted output", () => {
	test.each([
		[40, 0.5],
		[300, 0.8],
		[2_500, 0.4],
	])("finds a mean of %i tokens", (mean, sigma) => {
		const lengths = new OutputLengths();
		serve(lengths, "k", mean, sigma, Infinity, 300, 5);
		close(lengths.predict("m", "k", 1e6), mean, 0.35);
		expect(lengths.predict("m", "k", mean / 10)).toBeGreaterThan((mean / 10) * 0.9);
	});

	test("answers that the limit cut off count as longer than they were", () => {
		const predictions = [1, 2, 3, 4, 5].map((seed) => {
			const lengths = new OutputLengths();
			// A third of the answers reach 300 tokens; the served mean is about 180.
			const served = serve(lengths, "k", 300, 0.8, 300, 400, seed);
			close(lengths.predict("m", "k", 300), served, 0.2);
			return lengths.predict("m", "k", 1e6);
		});
		close(predictions.reduce((sum, value) => sum + value, 0) / predictions.length, 300, 0.35);
	});

	test("when every answer is cut off, the prediction is at the limit and does not run away", () => {
		const lengths = new OutputLengths();
		for (let i = 0; i < 5_000; i++) lengths.observe("m", "k", 64, true);
		expect(lengths.predict("m", "k", 64)).toBeGreaterThan(60);
		expect(lengths.predict("m", "k", 1e9)).toBeLessThan(5_000);
	});

	test("keys differ; a new key starts from what the model's other keys do, an unknown model from the prior", () => {
		const lengths = new OutputLengths();
		serve(lengths, "short", 20, 0.4, Infinity, 100, 1);
		serve(lengths, "long", 2_000, 0.4, Infinity, 100, 2);
		close(lengths.predict("m", "short", 1e6), 20, 0.4);
		close(lengths.predict("m", "long", 1e6), 2_000, 0.4);
		const fresh = lengths.predict("m", "new", 1e6);
		expect(fresh).toBeGreaterThan(20);
		expect(fresh).toBeLessThan(3_000);
		close(lengths.predict("other", "short", 1e6), 330, 0.01);
	});

	test("follows a key that changes what it asks for", () => {
		const lengths = new OutputLengths();
		serve(lengths, "k", 2_000, 0.3, Infinity, 200, 1);
		serve(lengths, "k", 50, 0.3, Infinity, 200, 2);
		close(lengths.predict("m", "k", 1e6), 50, 0.35);
	});

	test("rows are bounded, names do not collide", () => {
		const lengths = new OutputLengths(10);
		for (let i = 0; i < 100; i++) lengths.observe(`m${i}`, "k", 10, false);
		expect(lengths.snapshot()).toHaveLength(10);
		lengths.observe('a","b', "c", 1, false);
		close(lengths.predict("a", 'b","c', 1e6), 330, 0.01);
	});
});

describe("whatever comes", () => {
	const number = fc.oneof(
		fc.double(),
		fc.constantFrom(NaN, Infinity, -Infinity, -1, 0),
		fc.integer({ min: 1, max: 100_000 }),
	);
	const answers = fc.array(fc.tuple(fc.constantFrom("m", "n"), fc.string(), number, fc.boolean()));

	test("a prediction is between 1 and the limit, grows with it, and survives JSON", () => {
		fc.assert(
			fc.property(answers, number, fc.string(), (all, limit, key) => {
				const lengths = new OutputLengths();
				for (const [model, name, tokens, limited] of all) lengths.observe(model, name, tokens, limited);
				const predicted = lengths.predict("m", key, limit);
				expect(predicted).toBeLessThan(1e8);
				if (limit >= 1) {
					expect(predicted).toBeGreaterThanOrEqual(1);
					expect(predicted).toBeLessThanOrEqual(limit);
					expect(lengths.predict("m", key, limit * 2)).toBeGreaterThanOrEqual(predicted * (1 - 1e-4));
				} else if (limit <= 0) {
					expect(predicted).toBe(0);
				}
				const copy = new OutputLengths(4_096, throughJson(lengths.snapshot()));
				for (const name of [key, ...all.map((row) => row[1])]) {
					expect(copy.predict("m", name, limit)).toBe(lengths.predict("m", name, limit));
				}
			}),
		);
	});

	test("a belief after an answer stays bounded, and a cut-off answer never predicts less than a whole one of its length", () => {
		const beliefs = fc.record({
			mean: fc.double({ min: 0, max: 13, noNaN: true }),
			variance: fc.double({ min: 0.04, max: 4, noNaN: true }),
			count: fc.integer({ min: 0, max: 50 }),
		});
		fc.assert(
			fc.property(beliefs, fc.integer({ min: 1, max: 10_000_000 }), (belief, tokens) => {
				const whole = afterAnswer(belief, tokens, false, 50);
				const cut = afterAnswer(belief, tokens, true, 50);
				expect(cut.mean).toBeGreaterThanOrEqual(whole.mean);
				for (const next of [whole, cut]) {
					expect(next.mean).toBeGreaterThanOrEqual(0);
					expect(next.variance).toBeGreaterThanOrEqual(0.04);
					expect(next.variance).toBeLessThanOrEqual(4);
					expect(expectedLength(next, Infinity)).toBeGreaterThanOrEqual(expectedLength(next, 100) - 1e-3);
				}
			}),
		);
	});
});
