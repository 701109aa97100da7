import { f32View } from "./decode.ts";
import { addDifference, addEncoded, addFour, FOUR } from "./kernels.ts";
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

/** Rows of f32 by fours where they stand together, all others one by one; the order is that of the ids in any case. */
function addUpdates(sum: Float64Array, updates: RowInputs["updates"]): void {
	for (let i = 0; i < updates.length;) {
		const group = updates.slice(i, i + FOUR);
		if (group.length === FOUR && group.every(({ encoding }) => encoding === "f32")) {
			const rows = group.map((update) => f32View(encodedRow(update, 0, sum.length), sum.length));
			addFour(
				sum,
				group.map(({ coefficient }) => coefficient ?? 0),
				rows,
			);
			i += FOUR;
		} else {
			const update = updates[i++]!;
			addEncoded(sum, update.coefficient ?? 0, update.encoding, encodedRow(update, 0, sum.length));
		}
	}
}

function allFinite(values: Float32Array): boolean {
	// A finite value times zero is zero; any other is NaN.
	let zero = 0;
	for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
	return zero === 0;
}
