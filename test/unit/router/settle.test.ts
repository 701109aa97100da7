import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bandOf, settle, type Scored } from "../../../src/shared/router/settle.ts";

const QUALITY_USD = 0.05;
const scored = fc.record({
	score: fc.double({ min: 0, max: 0.02, noNaN: true }),
	usd: fc.double({ min: 0, max: 0.02, noNaN: true }),
	standardError: fc.double({ min: 0, max: 0.2, noNaN: true }),
});
const ranked = fc
	.array(scored, { minLength: 2, maxLength: 5 })
	.map((all) => all.map((each, index): Scored => ({ ...each, model: `m${index}` })).toSorted(byScore));

function byScore(a: Scored, b: Scored): number {
	return a.score - b.score;
}

describe("a conversation", () => {
	test("stays with its model while that is as good as the best within the band, and no longer", () => {
		fc.assert(
			fc.property(ranked, fc.nat(4), (all, at) => {
				const model = all[at % all.length]!;
				const stays = model.score - all[0]!.score <= bandOf(all[0]!, model, QUALITY_USD);
				const { chosen } = settle(all, model.model, QUALITY_USD)!;
				if (stays) expect(chosen).toBe(model);
				else expect(chosen.score - all[0]!.score).toBeLessThanOrEqual(bandOf(all[0]!, chosen, QUALITY_USD));
			}),
		);
	});

	test("does not leave it for what other words for the same change, if that is less than half of the band", () => {
		fc.assert(
			fc.property(
				ranked,
				fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
				(all, noise) => {
					const first = settle(all, null, QUALITY_USD)!.chosen;
					// Chosen with a quarter of the band to spare.
					fc.pre(first === all[0]);
					const least = Math.min(...all.map((each) => bandOf(first, each, QUALITY_USD)));
					const reworded = all
						.map((each, index) => ({ ...each, score: each.score + (noise[index]! * least) / 2 }))
						.toSorted(byScore);
					expect(settle(reworded, first.model, QUALITY_USD)!.chosen.model).toBe(first.model);
				},
			),
		);
	});
});

test("of those that are equal within the band the cheapest answers", () => {
	fc.assert(
		fc.property(ranked, (all) => {
			const { chosen, reason } = settle(all, null, QUALITY_USD)!;
			const equal = all.filter((each) => each.score - all[0]!.score <= bandOf(all[0]!, each, QUALITY_USD));
			expect(chosen.usd).toBe(Math.min(...equal.map(({ usd }) => usd)));
			expect(reason).toBe(chosen === all[0] ? "best" : "cheaper");
		}),
	);
});

/** Mulberry32 (Ettinger, public domain). */
function randomOf(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

test("models of nearly the same quality change places less often under seeded perturbations than without the band", () => {
	const random = randomOf(6);
	const price = [0.0002, 0.0004, 0.004];
	let flips = 0;
	let flipsWithout = 0;
	for (let prompt = 0; prompt < 2_000; prompt++) {
		// Two of a kind, whose qualities differ by next to nothing, and a dear one.
		const level = 0.6 + 0.3 * random();
		const quality = [level + 0.004 * (random() - 0.5), level + 0.004 * (random() - 0.5), level + 0.05 * random()];
		const choices = [0, 1].map(() => {
			const all = quality
				.map((each, index) => each + 0.006 * (random() - 0.5) - price[index]! / QUALITY_USD)
				.map((value, index): Scored => ({
					model: `m${index}`,
					score: QUALITY_USD * (1 - value),
					usd: price[index]!,
					standardError: 0.03,
				}))
				.toSorted(byScore);
			return { without: all[0]!.model, chosen: settle(all, null, QUALITY_USD)!.chosen.model };
		});
		if (choices[0]!.chosen !== choices[1]!.chosen) flips++;
		if (choices[0]!.without !== choices[1]!.without) flipsWithout++;
	}
	expect(flipsWithout).toBeGreaterThan(100);
	expect(flips).toBeLessThan(flipsWithout / 2);
});
