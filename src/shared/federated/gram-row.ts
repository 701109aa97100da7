import { addGram } from "./kernels.ts";
import { eachPiece, type RowUpdate } from "./row-pieces.ts";

/** Adds what one row of `parameters` contributes to the inner products of the updates of a flush, in id order, row-major n x n. A
 *  shard takes its rows in order; the matrix of the model is the sum of its shards', in order too. */
export function addGramRow(products: Float64Array, updates: readonly RowUpdate[], parameters: number): void {
	eachPiece(updates, parameters, (rows) => addGram(products, rows));
}
