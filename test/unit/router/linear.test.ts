import * as fc from "fast-check";
import { expect, test } from "vitest";
import { blended, linearLevel } from "../../../src/shared/router/estimator/blend.ts";
import type { Parts } from "../../../src/shared/router/estimator/estimator.ts";
import { emptyPrior } from "../../../src/shared/router/estimator/prior.ts";
import { logit } from "../../../src/shared/router/estimator/probability.ts";
import { applyHeads, embedLinear } from "../../../src/shared/router/estimator/latent-space.ts";
import { DENSE_COUNT } from "../../../src/shared/router/features/dense.ts";
import { FeatureReader } from "../../../src/shared/router/features/features.ts";
import { principalComponents } from "../../../src/shared/router/training/components.ts";
import { fitLinear } from "../../../src/shared/router/training/fit-linear.ts";
import { fitRidge } from "../../../src/shared/router/training/ridge.ts";
import { spaceOf, tableOf, type Table } from "../../../src/shared/router/training/space.ts";
import { vectorsOf, type Vectors } from "../../../src/shared/router/training/vectors.ts";
import { inputsOf } from "../../../src/shared/router/weights/layout.ts";
import { LINEAR_WIDTH } from "../../../src/shared/router/weights/weights.ts";
import { sampleOutcomes, sampleWeights } from "./sample.ts";

/** Prompts of one gram each, with no dense features. */
function vectorsOfGrams(grams: readonly number[]): Vectors {
	return {
		starts: Uint32Array.from({ length: grams.length + 1 }, (_, i) => i),
		rows: Uint16Array.from(grams),
		values: new Float32Array(grams.length).fill(1),
		dense: new Float32Array(grams.length * DENSE_COUNT),
	};
}

const measured = fc.record({ gram: fc.nat(3), score: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) });

test("with one gram a prompt, a coefficient is what the prompts that have it and were measured say, pulled by 15 more", () => {
	fc.assert(
		fc.property(fc.array(measured, { minLength: 1, maxLength: 60 }), (prompts) => {
			const scores = Float32Array.from(prompts.flatMap(({ score }, i) => [score ?? Number.NaN, i % 2]));
			const means = Float64Array.from([0.25, 0.5]);
			const table = { scores } as unknown as Table;
			const found = fitRidge(vectorsOfGrams(prompts.map(({ gram }) => gram)), table, means, 2, 4);
			for (let gram = 0; gram < 4; gram++) {
				const own = prompts.flatMap((each) => (each.gram === gram && each.score !== null ? [each.score] : []));
				const expected = own.reduce((sum, score) => sum + score - 0.25, 0) / (own.length + 15);
				expect(found[2 * gram]).toBeCloseTo(expected, 5);
			}
		}),
	);
});

test("the principal components are orthonormal, and are what the matrix only stretches, the most first", () => {
	const sides = fc.integer({ min: 1, max: 7 });
	const matrices = sides.chain((n) =>
		fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: n * n, maxLength: n * n }).map((root) => {
			// A root's square, so that it is symmetric and stretches by nothing negative.
			const at = (i: number, j: number) => {
				let sum = 0;
				for (let k = 0; k < n; k++) sum += root[i * n + k]! * root[j * n + k]!;
				return sum;
			};
			return { n, matrix: Float64Array.from({ length: n * n }, (_, cell) => at(Math.floor(cell / n), cell % n)) };
		}),
	);
	fc.assert(
		fc.property(matrices, ({ n, matrix }) => {
			const count = n + 1;
			const components = principalComponents(matrix, n, count);
			let before = Number.POSITIVE_INFINITY;
			for (let c = 0; c < n; c++) {
				const own = Array.from({ length: n }, (_, i) => components[i * count + c]!);
				const image = own.map((_, i) => own.reduce((sum, each, j) => sum + matrix[i * n + j]! * each, 0));
				const stretch = own.reduce((sum, each, i) => sum + each * image[i]!, 0);
				own.forEach((each, i) => expect(image[i]).toBeCloseTo(stretch * each, 6));
				for (let other = 0; other <= c; other++) {
					const product = own.reduce((sum, each, i) => sum + each * components[i * count + other]!, 0);
					expect(product).toBeCloseTo(other === c ? 1 : 0, 6);
				}
				expect(stretch).toBeLessThanOrEqual(before + 1e-6);
				before = stretch;
			}
			// There is none beyond the matrix's own.
			for (let i = 0; i < n; i++) expect(components[i * count + n]).toBe(0);
		}),
	);
});

test("the linear part says what the regressions said, as far as 8 bits go", () => {
	const outcomes = sampleOutcomes();
	const space = spaceOf(outcomes);
	const table = tableOf(outcomes, space);
	const { features } = sampleWeights();
	const vectors = vectorsOf(table.prompts, features);
	const [models, grams] = [space.models.length, features.hashes.length];
	const linear = fitLinear(vectors, table, space, grams);
	// The mean that it takes off first is its constant.
	const means = space.models.map((_, m) => linear.heads[(m + 1) * inputsOf(LINEAR_WIDTH) - 1]!);
	const centred = fitRidge(vectors, table, Float64Array.from(means), models, grams);
	const reader = new FeatureReader(features);
	const inputs = new Float64Array(inputsOf(LINEAR_WIDTH));
	const found = new Float64Array(models);
	for (const prompt of table.prompts.slice(0, 50)) {
		const own = reader.read(prompt);
		embedLinear(linear, own, inputs);
		applyHeads(linear.heads, inputs, models, found);
		for (let m = 0; m < models; m++) {
			let expected = means[m]!;
			for (let i = 0; i < own.count; i++) expected += own.values[i]! * centred[own.rows[i]! * models + m]!;
			for (let k = 0; k < DENSE_COUNT; k++) expected += 0.3 * own.dense[k]! * centred[(grams + k) * models + m]!;
			expect(found[m]).toBeCloseTo(expected, 2);
		}
	}
});

/** A prompt of which the prior says `qualities` and the linear part `linear`, [quality, measured] a model. */
function partsOf(qualities: readonly (readonly [number, number])[], linear: readonly number[]): Parts {
	const prior = emptyPrior(qualities.length);
	prior.quality.set(qualities.map(([quality]) => quality));
	prior.measured.set(qualities.map(([, probability]) => probability));
	const said = Float64Array.from(linear);
	return {
		prior,
		heads: Float64Array.from(prior.quality, logit),
		linear: said,
		level: linearLevel(prior, said),
		neighbours: prior.quality,
	} as Parts;
}

test("what the linear part says of all models moves them alike, and what it says of one beside them has a weight of its own", () => {
	const parts = partsOf(
		[
			[0.5, 1],
			[0.8, 1],
			[0.6, 0],
		],
		[0.7, 0.8, 0.1],
	);
	const beyond = logit(0.7) - logit(0.5);
	// The third was not measured where this prompt is from: it neither counts nor moves.
	expect(parts.level).toBeCloseTo(beyond / 2, 12);
	const [level, own] = [Float64Array.of(0, 0, 0, 1, 0, 0), Float64Array.of(0, 0, 0, 0, 1, 0)];
	const moved = (blend: Float64Array) =>
		[0, 1, 2].map((m) => blended(blend, parts, m) - logit(parts.prior.quality[m]!));
	expect(moved(level)[0]).toBeCloseTo(beyond / 2, 12);
	expect(moved(level)[1]).toBeCloseTo(beyond / 2, 12);
	expect(moved(own)[0]).toBeCloseTo(beyond / 2, 12);
	expect(moved(own)[1]).toBeCloseTo(-beyond / 2, 12);
	expect([moved(level)[2], moved(own)[2]]).toEqual([0, 0]);
});

test("a prompt of no domain in which any model was measured has no level", () => {
	expect(partsOf([[0.5, 0]], [0.9]).level).toBe(0);
});
