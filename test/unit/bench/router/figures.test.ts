import * as fc from "fast-check";
import { expect, test } from "vitest";
import { averageQuality } from "../../../../bench/router/hull.ts";
import { PERTURBATIONS } from "../../../../bench/router/perturb.ts";
import { judgePairs } from "../../../../bench/router/strong-weak.ts";
import { randomOf } from "../../../../src/shared/router/training/random.ts";

test("a score that says nothing has APGR 0.5, CPT50 50 and CPT80 80", () => {
	const pairs = [1, 0, 1, 1].map((strong) => ({ score: 0.3, strong, weak: 0 }));
	const { apgr, cpt50, cpt80 } = judgePairs(pairs);
	expect(apgr).toBeCloseTo(0.5, 12);
	expect(cpt50).toBeCloseTo(50, 9);
	expect(cpt80).toBeCloseTo(80, 9);
});

test("one prompt in four that needs the strong model, found first or last", () => {
	const pairs = (best: number) => [1, 0, 0, 0].map((strong) => ({ score: best * strong, strong, weak: 0 }));
	// The gap is closed along the first quarter of the calls: 1/8 lost. Or only along the last.
	expect(judgePairs(pairs(1)).apgr).toBeCloseTo(0.875, 12);
	expect(judgePairs(pairs(1)).cpt50).toBeCloseTo(12.5, 9);
	expect(judgePairs(pairs(-1)).apgr).toBeCloseTo(0.125, 12);
});

test("APGR of a score and of its opposite add up to one", () => {
	const pair = fc.record({
		score: fc.integer({ min: 0, max: 5 }),
		strong: fc.constant(1),
		weak: fc.constantFrom(0, 1),
	});
	fc.assert(
		fc.property(fc.array(pair, { minLength: 2 }), (pairs) => {
			fc.pre(pairs.some(({ weak }) => weak === 0));
			const opposite = pairs.map((each) => ({ ...each, score: -each.score }));
			expect(judgePairs(pairs).apgr + judgePairs(opposite).apgr).toBeCloseTo(1, 9);
		}),
	);
});

test("the mean quality along a hull is that of its segments, whatever lies below them", () => {
	const points = [
		{ usd: 0, quality: 0.2 },
		{ usd: 1, quality: 0.6 },
		{ usd: 2, quality: 0.8 },
	];
	expect(averageQuality(points, 0, 2)).toBeCloseTo(0.55, 3);
	expect(averageQuality([...points, { usd: 1.5, quality: 0.3 }, { usd: 4, quality: 0.7 }], 0, 2)).toBeCloseTo(0.55, 3);
	expect(averageQuality(points, 0, 4)).toBeCloseTo((0.55 + 0.8) / 2, 3);
});

test("perturbations keep what they say", () => {
	const prompt = "Which of these planets is the largest?\nA. Venus\nB. Jupiter\nC. Mars";
	for (const [name, perturb] of Object.entries(PERTURBATIONS)) {
		const changed = perturb(prompt, randomOf(4));
		expect(perturb(prompt, randomOf(4)), name).toBe(changed);
		const letters = (text: string) => text.toLowerCase().replace(/\s/g, "").split("").sort().join("");
		if (name === "a polite beginning") expect(changed.endsWith(prompt)).toBe(true);
		else expect(letters(changed), name).toBe(letters(prompt));
	}
	const order = PERTURBATIONS["options in another order"]!(prompt, randomOf(4)).split("\n").slice(1);
	expect(order.map((line) => line.slice(0, 3))).toEqual(["A. ", "B. ", "C. "]);
});
