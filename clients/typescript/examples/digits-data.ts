import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sample } from "./sample.ts";

const PIXELS = 64;

export interface Baselines {
	readonly [setting: string]: Readonly<
		Record<string, Readonly<Record<string, readonly [accuracy: number, loss: number]>>>
	>;
}

/** The digits in `directory`, every fifth of which is for testing: `digits/digits-images-1797x64-uint8.bin` and
 *  `digits/digits-labels-1797-uint8.bin`, pixels from 0 to 16. They are the test set of "Optical Recognition of Handwritten
 *  Digits" (archive.ics.uci.edu/dataset/80, CC BY 4.0), in the order of scikit-learn's `load_digits`. */
export async function readDigits(directory: string) {
	const images = await readFile(join(directory, "digits", "digits-images-1797x64-uint8.bin"));
	const labels = await readFile(join(directory, "digits", "digits-labels-1797-uint8.bin"));
	const samples = Array.from(labels, (label, i): Sample => {
		const pixels = images.subarray(i * PIXELS, (i + 1) * PIXELS);
		return { label, x: Float32Array.from(pixels, (value) => value / 16) };
	});
	return {
		train: samples.filter((_, i) => i % 5 !== 0),
		test: samples.filter((_, i) => i % 5 === 0),
	};
}

/** Accuracies and losses that a program in numpy has reached; null where the file is not there. */
export async function readBaselines(directory: string): Promise<Baselines | null> {
	const text = await readFile(join(directory, "digits-federated-baselines.json"), "utf8").catch(() => null);
	return text === null ? null : (JSON.parse(text) as Baselines);
}
