import * as fc from "fast-check";
import type { Outcome } from "../../../src/shared/router/training/outcome.ts";
import { randomOf } from "../../../src/shared/router/training/random.ts";
import { trainWeights, type TrainSettings } from "../../../src/shared/router/training/train.ts";
import { readWeights } from "../../../src/shared/router/weights/read.ts";
import type { Weights } from "../../../src/shared/router/weights/weights.ts";
import { writeWeights } from "../../../src/shared/router/weights/write.ts";

/** Small enough for a test; all parts are there. */
export const SMALL: TrainSettings = {
	grams: 700,
	width: 8,
	epochs: 6,
	rate: 0.3,
	anchors: 80,
	terms: 8,
	folds: 3,
};

const WORDS = {
	cooking: ["oven", "butter", "simmer", "recipe", "flour", "garlic", "roast", "saucepan", "whisk", "dough"],
	orbits: ["planet", "perihelion", "orbit", "satellite", "gravity", "ellipse", "moon", "launch", "velocity", "escape"],
	law: ["tort", "plaintiff", "statute", "appeal", "contract", "liable", "court", "verdict", "clause", "damages"],
} as const;

/** Two pools: in one `chef` is good at cooking and `pilot` at orbits, the other knows only `clerk` and `pilot` on law. */
export function sampleOutcomes(count = 360, seed = 7): Outcome[] {
	const random = randomOf(seed);
	const one = (share: number) => (random() < share ? 1 : 0);
	return Array.from({ length: count }, (_, i) => {
		const domain = (["cooking", "orbits", "law"] as const)[i % 3]!;
		const words = Array.from({ length: 12 }, () => WORDS[domain][Math.floor(random() * 10)]!);
		const prompt = `Question ${i}: what about the ${words.join(" and the ")}?`;
		const scores: [string, number][] =
			domain === "law"
				? [
						["clerk", one(0.9)],
						["pilot", one(0.4)],
					]
				: [
						["chef", one(domain === "cooking" ? 0.95 : 0.2)],
						["pilot", one(domain === "orbits" ? 0.9 : 0.3)],
					];
		return {
			key: `k${i}`,
			prompt,
			domain,
			pool: domain === "law" ? "court" : "kitchen",
			scores: new Map(scores),
			outputTokens: new Map(scores.map(([model]) => [model, domain === "law" ? 200 : 50])),
			usd: new Map(),
		};
	});
}

let bytes: Uint8Array | null = null;

/** Of a weights file trained on the sample; made once. */
export function sampleBytes(): Uint8Array {
	bytes ??= writeWeights(trainWeights(sampleOutcomes(), 1, SMALL).weights);
	return bytes.slice();
}

export function sampleWeights(): Weights {
	const read = readWeights(sampleBytes());
	if (!read.ok) throw new Error(JSON.stringify(read.error));
	return read.value;
}

/** Any string at all, lone surrogates too. */
export const codeUnits = fc.array(fc.nat(0xffff), { maxLength: 300 }).map((codes) => String.fromCharCode(...codes));
