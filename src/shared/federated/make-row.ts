import { addDifference, addEncoded, allFinite, ROWS_ADDED } from "./kernels.ts";
import type { ServerOptimiser } from "./optimisers/optimiser.ts";
import { eachPiece, encodedRow, type RowUpdate } from "./row-pieces.ts";
import type { Rule } from "./rules/rule.ts";

export interface RowInputs {
	/** In id order. The coefficient is null where the rule works on rows. */
	readonly updates: readonly (RowUpdate & { readonly coefficient: number | null })[];
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
	if (rule.door === "row") {
		eachPiece(updates, sum.length, (rows, begin) => rule.combine(rows, sum.subarray(begin, begin + rows[0]!.length)));
	} else {
		sum.fill(0);
		addUpdates(sum, updates);
		for (const { coefficient, read } of bases) addDifference(sum, coefficient, read(), model);
	}
	optimiser.step({ model, delta: sum, state, step });
	return allFinite(model) && state.every(allFinite);
}

/** By fours, in the order of the ids. */
function addUpdates(sum: Float64Array, updates: RowInputs["updates"]): void {
	for (let at = 0; at < updates.length; at += ROWS_ADDED) {
		const group = updates.slice(at, at + ROWS_ADDED);
		const rows = group.map((update) => ({
			encoding: update.encoding,
			coefficient: update.coefficient ?? 0,
			bytes: encodedRow(update, 0, sum.length),
		}));
		addEncoded(sum, rows);
		for (const [i, { bytes }] of rows.entries()) group[i]!.release?.(bytes);
	}
}
