import { decode } from "../../src/shared/federated/decode.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import { encodedBytes, ENCODINGS, type Encoding } from "../../src/shared/federated/encoding.ts";
import { addEncoded, addGram, ROWS_ADDED, squaredNorm, type EncodedRow } from "../../src/shared/federated/kernels.ts";
import { makeOptimiser } from "../../src/shared/federated/optimisers/registry.ts";
import { makeRule } from "../../src/shared/federated/rules/registry.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import type { Findings, Row } from "../lib/result.ts";
import { seeded } from "../../test/simulator/random.ts";
import { measureRates, type Kernel } from "./rates.ts";
import { triad, TRIAD_BYTES, triadInC } from "./triad.ts";

/** Updates whose rows are summed. */
const UPDATES = 16;
/** Doubles of an array that no cache of one core holds. */
const MEMORY_LENGTH = 2 ** 22;

interface Measured extends Kernel {
	/** Bytes that it reads and writes a parameter; null where it mostly computes. */
	readonly bytes: number | null;
}

/** What the loops of a flush cost, beside the triad in the same process and in C. */
export async function measureKernels(
	{ quick, seed }: { readonly quick: boolean; readonly seed: number },
	say: (text: string) => void,
): Promise<Findings> {
	say("kernels");
	const kernels: readonly Measured[] = [
		{ ...triad("triad, arrays of a row", ROW_PARAMETERS), bytes: TRIAD_BYTES },
		{ ...triad("triad, arrays of 32 MiB", MEMORY_LENGTH), bytes: TRIAD_BYTES },
		...kernelsOf(seed),
	];
	const rates = measureRates(kernels, quick ? 12 : 60);
	// What the target compares takes turns by itself, more often.
	const compared = [kernels[0]!, kernels.find(({ name }) => name === ADD_F32)!];
	for (const [name, rate] of measureRates(compared, quick ? 400 : 1_000))
		rates.set(name, Math.max(rate, rates.get(name)!));
	const rowTriad = rates.get(kernels[0]!.name)! * TRIAD_BYTES;
	say("the triad in C");
	const inC = await triadInC([ROW_PARAMETERS, MEMORY_LENGTH]);
	const gigabytes = (millions: number, bytes: number) => (millions * bytes) / 1_000;
	const rows: Row[] = kernels.map(({ name, bytes }) => {
		const rate = rates.get(name)!;
		if (bytes === null) return { what: name, million_per_s: rate };
		const vs = (rate * bytes) / rowTriad;
		return { what: name, vs_triad: vs, gb_per_s: gigabytes(rate, bytes), million_per_s: rate };
	});
	for (const [i, what] of ["triad in C, arrays of a row", "triad in C, arrays of 32 MiB"].entries()) {
		const rate = inC?.[i];
		if (rate === undefined) continue;
		const vs = (rate * TRIAD_BYTES) / rowTriad;
		rows.push({ what, vs_triad: vs, gb_per_s: gigabytes(rate, TRIAD_BYTES), million_per_s: rate });
	}
	const value = (rates.get(ADD_F32)! * compared[1]!.bytes!) / rowTriad;
	return { rows, targets: [{ id: "add_vs_triad", value, goal: 0.8, direction: "at_least" }], notes: [] };
}

const ADD_F32 = "weighted sum, f32";

function kernelsOf(seed: number): readonly Measured[] {
	const random = seeded(seed);
	const updates = Array.from({ length: UPDATES }, () =>
		Float32Array.from({ length: ROW_PARAMETERS }, () => (random() - 0.5) * 0.1),
	);
	const sum = new Float64Array(ROW_PARAMETERS);
	// A value in, the sum in and out.
	const sums = ENCODINGS.map((encoding): Measured => {
		const rows = encodedRows(updates, encoding);
		const run = inTurn(rows, (row) => addEncoded(sum, [row]));
		return { name: `weighted sum, ${encoding}`, parameters: ROW_PARAMETERS, bytes: bytesOf(encoding) + 16, run };
	});
	// As a flush does it: the sum in and out once for four values.
	const together = ENCODINGS.map((encoding): Measured => {
		const rows = encodedRows(updates, encoding);
		const fours = Array.from({ length: UPDATES / ROWS_ADDED }, (_, i) =>
			rows.slice(i * ROWS_ADDED, (i + 1) * ROWS_ADDED),
		);
		const run = inTurn(fours, (four) => addEncoded(sum, four));
		const [parameters, bytes] = [ROWS_ADDED * ROW_PARAMETERS, bytesOf(encoding) + 16 / ROWS_ADDED];
		return { name: `weighted sum, ${encoding}, four rows at once`, parameters, bytes, run };
	});
	const out = new Float32Array(ROW_PARAMETERS);
	const decodes = ENCODINGS.filter((encoding) => encoding !== "f32").map((encoding): Measured => {
		const rows = updates.map((values) => encode(encoding, values));
		const run = inTurn(rows, (row) => decode(encoding, row, out));
		return { name: `decode, ${encoding}`, parameters: ROW_PARAMETERS, bytes: bytesOf(encoding) + 4, run };
	});
	const products = new Float64Array(UPDATES ** 2);
	const pairs = (UPDATES * (UPDATES + 1)) / 2;
	const column = updates.map((row) => row.subarray(0, 16_384));
	const combined = sum.subarray(0, 16_384);
	const rule = makeRule({ name: "median" });
	if (rule.door !== "row") throw new Error("the median works on rows");
	const adam = makeOptimiser({
		name: "adam",
		preset: "paper",
		learning_rate: 0.1,
		beta_1: 0.9,
		beta_2: 0.99,
		tau: 1e-3,
	});
	const state = adam.initialState.map(() => new Float32Array(ROW_PARAMETERS));
	const delta = new Float64Array(ROW_PARAMETERS).fill(1e-3);
	return [
		...sums,
		...together,
		...decodes,
		{
			name: "squared norm, f32",
			parameters: ROW_PARAMETERS,
			bytes: 4,
			run: inTurn(updates, squaredNorm),
		},
		{
			name: `Gram of ${UPDATES} updates, by products`,
			parameters: ROW_PARAMETERS * pairs,
			bytes: 8,
			run: () => addGram(products, updates),
		},
		{
			name: `median of ${UPDATES} updates, by row`,
			parameters: combined.length,
			bytes: null,
			run: () => rule.combine(column, combined),
		},
		{
			name: "step of FedAdam, by row",
			parameters: ROW_PARAMETERS,
			bytes: 8 + 6 * 4,
			run: () => adam.step({ model: out, delta, state, step: 1 }),
		},
	];
}

/** A row of many each time, so that a burst is no longer than it has to be. */
function inTurn<T>(rows: readonly T[], each: (row: T) => unknown): () => void {
	let next = 0;
	return () => void each(rows[next++ % rows.length]!);
}

function encodedRows(updates: readonly Float32Array[], encoding: Encoding): readonly EncodedRow[] {
	return updates.map((values, i) => ({ encoding, coefficient: 1 / (i + 2), bytes: encode(encoding, values) }));
}

function bytesOf(encoding: Encoding): number {
	return encodedBytes(encoding, ROW_PARAMETERS) / ROW_PARAMETERS;
}
