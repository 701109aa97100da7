import { encodedBytes } from "../src/shared/federated/encoding.ts";
import { free } from "../src/shared/federated/free.ts";
import type { FlushPlan } from "../src/shared/federated/messages.ts";
import type { ServerOptimiser } from "../src/shared/federated/optimisers/optimiser.ts";
import { rowCount } from "../src/shared/federated/shard-plan.ts";
import { ROW_PARAMETERS } from "../src/shared/federated/sizes.ts";
import type { MakingPlan, ShardPlace, Slice } from "./shard.messages.ts";
import type { ShardStagingStore } from "./shard.staging.store.ts";
import { missing, Unmakable, updateRows } from "./shard.update-rows.ts";
import type { ShardVersionStore } from "./shard.version.store.ts";

/** Bytes that are read before others get their turn: some 100 ms, and what is made of them is one commit, which waits for the disk. One
 *  row at least, of all updates: the specification bounds it. */
const SLICE_BYTES = 64 * 2 ** 20;
/** Bytes of rows that are held until they are written. */
const WRITTEN_BYTES = 4 * 2 ** 20;

interface Made {
	readonly weights: Float32Array<ArrayBuffer>;
	readonly state: readonly Float32Array<ArrayBuffer>[];
	/** Bytes that were read for it. */
	readonly read: number;
}

/** Makes versions row by row. A row of the next version, the optimiser's rows with it and the count of rows made are written in one
 *  transaction, so that whatever happens the work goes on with the row that is not there yet. */
export class ShardMaking {
	readonly #staging: ShardStagingStore;
	readonly #versions: ShardVersionStore;

	constructor(staging: ShardStagingStore, versions: ShardVersionStore) {
		this.#staging = staging;
		this.#versions = versions;
	}

	/** One slice of work; null when there is none. `ended`: that version is made, or failed. */
	async slice(place: ShardPlace): Promise<Slice | null> {
		const making = this.#versions.making();
		if (!making) return null;
		const { version, attempt } = making;
		const rows = rowCount(place);
		try {
			const make = await this.#maker(making.plan, place);
			for (let row = making.rowsMade, read = 0; row < rows && read < SLICE_BYTES;) {
				const made: Made[] = [];
				for (let bytes = 0; row + made.length < rows && bytes < WRITTEN_BYTES && read < SLICE_BYTES;) {
					const next = make(row + made.length);
					made.push(next);
					read += next.read;
					bytes += next.weights.byteLength * (1 + next.state.length);
				}
				const digests = await Promise.all(made.map(({ weights }) => crypto.subtle.digest("SHA-256", weights)));
				const digested = made.map((each, index) => ({ ...each, digest: digests[index]! }));
				if (!this.#versions.putMade({ ...making, rowsMade: row }, rows, digested)) break;
				row += made.length;
				for (const { weights, state } of made) free([weights, ...state]);
			}
		} catch (error) {
			if (!(error instanceof Unmakable)) throw error;
			this.#versions.fail(version, error.message);
		}
		return { of: "version", version, attempt, ended: this.#versions.state(version) !== "making" };
	}

	async #maker(plan: MakingPlan, place: ShardPlace): Promise<(row: number) => Made> {
		switch (plan.kind) {
			case "copy":
				return (row) => this.#copied(plan.from, row);
			case "flush":
				return this.#flusher(plan, place);
			case "initial":
				throw new Error("initial weights come from outside");
		}
	}

	/** What makes one row of a flush. */
	async #flusher(plan: FlushPlan, { begin, end }: ShardPlace): Promise<(row: number) => Made> {
		// Loaded when they are needed: a shard that only stages and serves does not pay for them.
		const [{ makeRule }, { makeOptimiser }, { makeRow }] = await Promise.all([
			import("../src/shared/federated/rules/registry.ts"),
			import("../src/shared/federated/optimisers/registry.ts"),
			import("../src/shared/federated/make-row.ts"),
		]);
		const [rule, optimiser] = [makeRule(plan.rule), makeOptimiser(plan.optimiser)];
		const sum = new Float64Array(Math.min(ROW_PARAMETERS, end - begin));
		return (row) => {
			const first = begin + row * ROW_PARAMETERS;
			const length = Math.min(end, first + ROW_PARAMETERS) - first;
			const weights = this.#weights(plan.parent, row);
			const state = this.#state(plan.parent, row, length, optimiser);
			const updates = updateRows(this.#staging, plan.updates, { first, length }, rule.door === "row");
			const bases = plan.bases.map(([version, coefficient]) => ({
				coefficient,
				read: () => this.#weights(version, row),
			}));
			const inputs = { updates, bases, model: weights, state, step: plan.step };
			if (!makeRow(rule, optimiser, inputs, sum.subarray(0, length))) {
				throw new Unmakable(`the sum is not finite in the row of parameter ${first}`);
			}
			const staged = updates.reduce((bytes, { encoding }) => bytes + encodedBytes(encoding, length), 0);
			return { weights, state, read: staged + length * 4 * (1 + state.length + bases.length) };
		};
	}

	#copied(version: number, row: number): Made {
		const weights = this.#weights(version, row);
		const state: Float32Array<ArrayBuffer>[] = [];
		for (let array = 0; ; array++) {
			const values = this.#versions.optimiserState(version, row, array);
			if (!values) break;
			state.push(values);
		}
		return { weights, state, read: weights.byteLength * (1 + state.length) };
	}

	#weights(version: number, row: number): Float32Array<ArrayBuffer> {
		return this.#versions.weights(version, row) ?? missing(`row ${row} of version ${version}`);
	}

	/** The optimiser's arrays after this version; before its first step, filled with what they start from. */
	#state(version: number, row: number, length: number, optimiser: ServerOptimiser): Float32Array<ArrayBuffer>[] {
		return optimiser.initialState.map(
			(value, array) => this.#versions.optimiserState(version, row, array) ?? new Float32Array(length).fill(value),
		);
	}
}
