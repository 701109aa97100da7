import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BytesPerToken } from "../../../src/shared/perf/bytes-per-token.ts";
import { Lru } from "../../../src/shared/perf/lru.ts";
import { throughJson, uniforms } from "./support.ts";

describe("bytes per token", () => {
	test("is 4 for a model that was not seen", () => {
		const bytes = new BytesPerToken();
		bytes.observe("m", 30_000, 10_000);
		expect(bytes.ratio("other")).toBe(4);
		expect(bytes.ratio("m")).toBeLessThan(4);
	});

	test.each([1.3, 2.8, 4.4, 9])("finds %f from prompts of all lengths", (ratio) => {
		const bytes = new BytesPerToken();
		const uniform = uniforms(3);
		for (let i = 0; i < 500; i++) {
			const tokens = Math.ceil(Math.exp(uniform() * 9));
			// Each prompt carries a template of some 20 tokens that has no bytes of its own.
			bytes.observe("m", tokens * ratio * (0.8 + 0.4 * uniform()), tokens + 20);
		}
		expect(Math.abs(bytes.ratio("m") / ratio - 1)).toBeLessThan(0.08);
	});

	test("follows a change of language, and one long prompt does not decide", () => {
		const bytes = new BytesPerToken();
		for (let i = 0; i < 200; i++) bytes.observe("m", 8_000, 2_000);
		bytes.observe("m", 2_000_000, 1_000_000);
		expect(bytes.ratio("m")).toBeGreaterThan(3.9);
		for (let i = 0; i < 400; i++) bytes.observe("m", 4_000, 2_000);
		expect(bytes.ratio("m")).toBeLessThan(2.1);
	});

	test("images and broken usage are left out", () => {
		const bytes = new BytesPerToken();
		bytes.observe("m", 1_000_000, 300);
		bytes.observe("m", 10, 300);
		expect(bytes.ratio("m")).toBe(4);
		expect(bytes.snapshot()).toEqual([]);
	});

	test("any input: from 1 to 16; the snapshot goes on identically", () => {
		const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, 0, -1), fc.integer({ min: 1, max: 1_000_000 }));
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), number, number)), (all) => {
				const bytes = new BytesPerToken(2);
				for (const [model, size, tokens] of all) bytes.observe(model, size, tokens);
				const copy = new BytesPerToken(2, throughJson(bytes.snapshot()));
				for (const model of ["a", "b", "c"]) {
					copy.observe(model, 9_000, 3_000);
					bytes.observe(model, 9_000, 3_000);
					expect(bytes.ratio(model)).toBeGreaterThanOrEqual(1);
					expect(bytes.ratio(model)).toBeLessThanOrEqual(16);
					expect(copy.ratio(model)).toBe(bytes.ratio(model));
				}
			}),
		);
	});
});

test("rows that are not numbers of the right count are not loaded", () => {
	const rows = '[["good",[1,2]],["short",[1]],["null",[null,2]],["none",null],["text","ab"]]';
	const lru = new Lru(10, 2, throughJson(new Lru(1, 2).entries(), rows));
	expect(lru.entries()).toEqual([["good", [1, 2]]]);
	expect(lru.size).toBe(1);
});
