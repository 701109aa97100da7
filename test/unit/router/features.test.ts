import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DENSE_COUNT } from "../../../src/shared/router/features/dense.ts";
import { FEATURE_CHARS_MAX } from "../../../src/shared/router/features/folded-text.ts";
import { FeatureReader, gramsOf, Z_MAX } from "../../../src/shared/router/features/features.ts";
import { Vocabulary } from "../../../src/shared/router/features/vocabulary.ts";
import { codeUnits, sampleWeights } from "./sample.ts";

const prompts = fc.oneof(codeUnits, fc.lorem({ maxCount: 40 }), fc.string({ maxLength: 400 }));

function hashesOf(prompt: string): number[] {
	const { hashes, count } = gramsOf(prompt);
	return [...hashes.subarray(0, count)];
}

test("case and the amount of white space change no gram", () => {
	fc.assert(
		fc.property(fc.array(fc.stringMatching(/^[a-z?.,$]{1,8}$/), { maxLength: 30 }), (words) => {
			const plain = hashesOf(words.join(" "));
			expect(hashesOf(words.map((word) => word.toUpperCase()).join(" \n\t "))).toEqual(plain);
			expect(hashesOf(`  ${words.join(" ")}\n`)).toEqual(plain);
		}),
	);
});

test("features are finite, of unit length and within their bounds, whatever the prompt", () => {
	const reader = new FeatureReader(sampleWeights().features);
	fc.assert(
		fc.property(prompts, (prompt) => {
			const { values, rows, count, dense, unknown } = reader.read(prompt);
			const length = Math.hypot(...values.subarray(0, count));
			expect(count === 0 ? length : Math.abs(length - 1)).toBeLessThan(1e-4);
			expect(new Set(rows.subarray(0, count)).size).toBe(count);
			expect(dense).toHaveLength(DENSE_COUNT);
			for (const z of dense) expect(Math.abs(z)).toBeLessThanOrEqual(Z_MAX);
			expect(unknown).toBeGreaterThanOrEqual(0);
			expect(unknown).toBeLessThanOrEqual(1);
		}),
	);
});

test("one prompt leaves nothing behind for the next", () => {
	const { features } = sampleWeights();
	const used = new FeatureReader(features);
	fc.assert(
		fc.property(prompts, prompts, (before, prompt) => {
			used.read(before);
			const again = used.read(prompt);
			const fresh = new FeatureReader(features).read(prompt);
			expect([...again.values.subarray(0, again.count)]).toEqual([...fresh.values.subarray(0, fresh.count)]);
			expect(again.dense).toEqual(fresh.dense);
		}),
	);
});

test("of a prompt of a megabyte the end is read, and no more grams than of 16 KB", () => {
	const end = "the oven and the garlic ".repeat(800).slice(-FEATURE_CHARS_MAX);
	expect(hashesOf("x".repeat(1_000_000) + end)).toEqual(hashesOf(end));
	expect(gramsOf("ab ".repeat(400_000)).count).toBeLessThan(FEATURE_CHARS_MAX + 4_100);
	expect(gramsOf("").count).toBe(0);
	expect(gramsOf("a".repeat(1_000_000)).words).toBe(1);
});

test("the vocabulary finds the row of each of its hashes and of no other", () => {
	fc.assert(
		fc.property(
			fc.uniqueArray(fc.nat(2 ** 32 - 1), { minLength: 1, maxLength: 300 }),
			fc.nat(2 ** 32 - 1),
			(hashes, other) => {
				const vocabulary = new Vocabulary(Uint32Array.from(hashes));
				hashes.forEach((hash, row) => expect(vocabulary.rowOf(hash)).toBe(row));
				expect(vocabulary.rowOf(other)).toBe(hashes.indexOf(other));
			},
		),
	);
});
