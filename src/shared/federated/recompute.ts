import { versionDigest } from "./audit.ts";
import { encodedBytes } from "./encoding.ts";
import { makeRow } from "./make-row.ts";
import type { FlushPlan } from "./messages.ts";
import { makeOptimiser } from "./optimisers/registry.ts";
import { makeRule } from "./rules/registry.ts";
import { rowsOf } from "./shard-plan.ts";

/** Whoever holds the updates, the version before and the optimiser's state with it. Rows are numbered in their model. */
export interface Evidence {
	/** A row of a version, f32. */
	weights(version: number, row: number): Promise<Float32Array<ArrayBuffer>>;
	/** The optimiser's rows after a version, one for each array of its state. */
	optimiserState(version: number, row: number): Promise<readonly Float32Array[]>;
	/** A row of an update, as it was sent. */
	update(id: string, row: number): Promise<Uint8Array>;
}

/** Makes a version again from what it was made of, by the code that the shards run, and returns its digest; null if the result
 *  is not finite. Memory: a row of each update. */
export async function recomputedDigest(
	plan: FlushPlan,
	parameters: number,
	evidence: Evidence,
): Promise<string | null> {
	const rule = makeRule(plan.rule);
	const optimiser = makeOptimiser(plan.optimiser);
	const rows = rowsOf({ begin: 0, end: parameters });
	const digests = new Uint8Array(rows.length * 32);
	for (const [row, { begin, end }] of rows.entries()) {
		const model = (await evidence.weights(plan.parent, row)).slice();
		const state = (await evidence.optimiserState(plan.parent, row)).map((values) => values.slice());
		const updates = await Promise.all(
			plan.updates.map(async ({ id, encoding, coefficient }) => {
				const bytes = await evidence.update(id, row);
				if (bytes.length !== encodedBytes(encoding, end - begin))
					throw new RangeError(`row ${row} of ${id} has ${bytes.length} bytes`);
				return { encoding, coefficient, read: (from: number, to: number) => bytes.subarray(from, to) };
			}),
		);
		const bases = await Promise.all(
			plan.bases.map(async ([version, coefficient]) => {
				const values = await evidence.weights(version, row);
				return { coefficient, read: () => values };
			}),
		);
		const inputs = { updates, bases, model, state, step: plan.step };
		if (!makeRow(rule, optimiser, inputs, new Float64Array(end - begin))) return null;
		digests.set(new Uint8Array(await crypto.subtle.digest("SHA-256", model)), row * 32);
	}
	return versionDigest(digests);
}
