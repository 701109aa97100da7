import { decode } from "./decode.ts";
import { encodedBytes, type Encoding } from "./encoding.ts";
import { addDifference, addEncoded } from "./kernels.ts";
import type { ServerOptimiser } from "./optimisers/optimiser.ts";
import type { Rule, RowRule } from "./rules/rule.ts";

/** Parameters of which a rule of the second door sees all updates at once: 4 MiB for 64 updates. A multiple of the int8 block. */
const PIECE = 16_384;

/** An update's row in a flush. */
export interface RowUpdate {
	readonly encoding: Encoding;
	/** Null where the rule works on rows. */
	readonly coefficient: number | null;
	/** Bytes `begin` to `end` of the row as it was sent: the whole row, or a piece of it where the rule works on rows. The
	 *  answer is used up before the next call. */
	readonly read: (begin: number, end: number) => Uint8Array;
}

export interface RowInputs {
	/** In id order. */
	readonly updates: readonly RowUpdate[];
	/** Rows of older versions that the rule measures from, ascending by version. */
	readonly bases: readonly { readonly coefficient: number; readonly read: () => Float32Array }[];
	/** The row of the version before; becomes that of the version made. */
	readonly model: Float32Array;
	/** The optimiser's rows, likewise. */
	readonly state: readonly Float32Array[];
	readonly step: number;
}

/** Makes one row of a version in place: the updates are combined in Float64 in id order and the optimiser steps. The same inputs
 *  give the same bits, whoever computes them. `sum` is working memory of the row's length. False if the result is not
 *  finite: no version can be made of these updates. */
export function makeRow(rule: Rule, optimiser: ServerOptimiser, inputs: RowInputs, sum: Float64Array): boolean {
	const { updates, bases, model, state, step } = inputs;
	if (rule.door === "row") combinePieces(rule, updates, sum);
	else {
		sum.fill(0);
		for (const { encoding, coefficient, read } of updates) {
			addEncoded(sum, coefficient ?? 0, encoding, exactly(read, 0, encodedBytes(encoding, sum.length)));
		}
		for (const { coefficient, read } of bases) addDifference(sum, coefficient, read(), model);
	}
	optimiser.step({ model, delta: sum, state, step });
	return allFinite(model) && state.every(allFinite);
}

function combinePieces(rule: RowRule, updates: readonly RowUpdate[], sum: Float64Array): void {
	const values = updates.map(() => new Float32Array(Math.min(PIECE, sum.length)));
	for (let begin = 0; begin < sum.length; begin += PIECE) {
		const end = Math.min(sum.length, begin + PIECE);
		const pieces = values.map((all, i) => {
			const { encoding, read } = updates[i]!;
			const piece = all.subarray(0, end - begin);
			decode(encoding, exactly(read, encodedBytes(encoding, begin), encodedBytes(encoding, end)), piece);
			return piece;
		});
		rule.combine(pieces, sum.subarray(begin, end));
	}
}

function exactly(read: RowUpdate["read"], begin: number, end: number): Uint8Array {
	const bytes = read(begin, end);
	if (bytes.length !== end - begin)
		throw new RangeError(`asked for ${end - begin} bytes of a row, got ${bytes.length}`);
	return bytes;
}

function allFinite(values: Float32Array): boolean {
	// A finite value times zero is zero; any other is NaN.
	let zero = 0;
	for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
	return zero === 0;
}
