import { DENSE_COUNT } from "../features/dense.ts";
import { FeatureReader, type FeatureTable } from "../features/features.ts";

/** The features of many prompts, one after the other. */
export interface Vectors {
	/** [n + 1] */
	readonly starts: Uint32Array;
	readonly rows: Uint16Array;
	readonly values: Float32Array;
	/** [n x DENSE_COUNT] */
	readonly dense: Float32Array;
}

export function vectorsOf(prompts: readonly string[], table: FeatureTable): Vectors {
	const reader = new FeatureReader(table);
	const starts = new Uint32Array(prompts.length + 1);
	const dense = new Float32Array(prompts.length * DENSE_COUNT);
	let rows = new Uint16Array(1024 * Math.max(64, prompts.length));
	let values = new Float32Array(rows.length);
	prompts.forEach((prompt, i) => {
		const features = reader.read(prompt);
		const at = starts[i]!;
		if (at + features.count > rows.length) {
			const more = new Uint16Array(2 * rows.length + features.count);
			more.set(rows);
			rows = more;
			const moreValues = new Float32Array(rows.length);
			moreValues.set(values);
			values = moreValues;
		}
		rows.set(features.rows.subarray(0, features.count), at);
		values.set(features.values.subarray(0, features.count), at);
		starts[i + 1] = at + features.count;
		dense.set(features.dense, i * DENSE_COUNT);
	});
	const end = starts[prompts.length]!;
	return { starts, rows: rows.slice(0, end), values: values.slice(0, end), dense };
}
