import { headerBytes, LENGTH_BYTES, readFileHead, type FileHead } from "../../src/shared/federated/safetensors.ts";
import { differenceOf } from "../../src/shared/federated/manifest.ts";
import { allFinite } from "../../src/shared/federated/kernels.ts";
import { rowAt, rowsOf, shardsOf, type ShardRange } from "../../src/shared/federated/shard-plan.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf, shardOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, WeightsFileHead } from "../../durable-objects/run.messages.ts";
import { readContentRange, type ByteRange } from "./byte-range.ts";
import { ExactReader } from "./exact-reader.ts";
import { WeightsFile } from "./weights-file.ts";

/** Rows on their way to shards while the next is read. */
const ROWS_UNDER_WAY = 4;

type WeightsFilePlace = Omit<WeightsFileHead, "epoch">;

interface Stored {
	/** Rows of the model that are there without a gap, from the first on. */
	readonly rows: number;
	readonly total: number;
}

/** `GET /v1/runs/{id}/weights`: how much of the initial weights is there. */
export async function weightsState(env: Env, facts: RunFacts): Promise<Result<object, IsobarError>> {
	const head = await runOf(env, facts.id).weightsFile();
	if (!head.ok) return head;
	return ok(shown(facts, head.value, await storedRows(env, facts, head.value)));
}

/** `PUT /v1/runs/{id}/weights`: a safetensors file, or the range of it that comes next. Only a row at a time is in memory. What begins
 *  at byte 0 is a file of its own: nothing of an earlier one counts any more. */
export async function putWeights(request: Request, env: Env, facts: RunFacts): Promise<Result<object, IsobarError>> {
	const run = runOf(env, facts.id);
	const kept = await run.weightsFile();
	if (!kept.ok) return kept;
	const stored = await storedRows(env, facts, kept.value);
	const range = rangeOf(request.headers.get("content-range"));
	if (!range.ok) return range;
	const first = range.value?.first ?? 0;
	const next = nextByte(facts, kept.value, stored);
	if (first !== 0 && first !== next) return err(wrongRange(first, next));
	const reader = new ExactReader(request.body);
	const row = first === 0 ? 0 : stored.rows;
	let head = kept.value;
	if (first === 0) {
		const read = await readHead(reader, facts);
		if (!read.ok) return read;
		const { dataOffset, dataBytes } = read.value;
		const file = { size: dataOffset + dataBytes, dataOffset };
		const fits = range.value ? checkRange(facts, file, range.value, row) : ok(null);
		if (!fits.ok) return fits;
		const begun = await run.beginWeightsFile(file);
		if (!begun.ok) return begun;
		head = begun.value;
	} else if (head && range.value) {
		const fits = checkRange(facts, head, range.value, row);
		if (!fits.ok) return fits;
	}
	if (!head) return err(wrongRange(first, 0));
	const sent = await sendRows(env, facts, head.epoch, reader, row);
	if (!sent.ok) return sent;
	if (sent.value === "stored") return ok(shown(facts, head, await storedRows(env, facts, head)));
	// Another file was begun, or version 0 has been made.
	const now = await run.weightsFile();
	if (!now.ok) return now;
	return err(wrongRange(first, nextByte(facts, now.value, await storedRows(env, facts, now.value))));
}

/** A range has to fit the file, and to bring at least one whole row: what is left of a row is forgotten. */
function checkRange(
	{ manifest }: RunFacts,
	{ size, dataOffset }: WeightsFilePlace,
	{ first, last, size: total }: ByteRange & { readonly size: number },
	row: number,
): Result<null, IsobarError> {
	if (total !== size) return weightsInvalid(`The file would have ${total} bytes, and by its header it has ${size}`);
	const end = Math.min(manifest.parameters, (row + 1) * ROW_PARAMETERS);
	const least = dataOffset + new WeightsFile(manifest).byteOf(end) - first;
	if (last + 1 - first >= least) return ok(null);
	const message = `The range ends within the row that it begins: send ${least} bytes at least, so that a row is stored`;
	const details = { next_byte: first, bytes_min: least };
	return err(isobarError("weights_range", message, { param: "content-range", details }));
}

function rangeOf(header: string | null): Result<ReturnType<typeof readContentRange>, IsobarError> {
	if (header === null) return ok(null);
	const range = readContentRange(header);
	if (range) return ok(range);
	const message = "Content-Range has to be `bytes FROM-TO/SIZE`";
	return err(isobarError("invalid_request", message, { param: "content-range" }));
}

/** The head of the file, which has to describe the run's model. */
async function readHead(reader: ExactReader, facts: RunFacts): Promise<Result<FileHead, IsobarError>> {
	const start = await reader.read(LENGTH_BYTES);
	const bytes = headerBytes(start);
	if (!bytes.ok) return weightsInvalid(bytes.error.message, bytes.error);
	const header = await reader.read(bytes.value);
	const whole = new Uint8Array(start.length + header.length);
	whole.set(start);
	whole.set(header, start.length);
	const head = readFileHead(whole);
	if (!head.ok) return weightsInvalid(head.error.message, head.error);
	const { manifest } = head.value;
	const difference = differenceOf(facts.manifest, manifest);
	if (difference) return weightsInvalid(difference.message, difference);
	const other = manifest.tensors.find(({ type }, index) => type !== facts.manifest.tensors[index]?.type);
	if (!other) return head;
	const message = `tensor "${other.name}" is ${other.type}, which is not the type that the run was created with`;
	return weightsInvalid(message, { code: "model_mismatch", tensor: other.name });
}

/** Sends what comes, row by row, from row `from` on, to the shards. What is left of a row when the body ends is forgotten. The last row
 *  goes when the body has ended where it should, so that a file which is refused is never whole. `refused`: a shard has not taken a
 *  row into this file. */
async function sendRows(
	env: Env,
	{ id, manifest, specification }: RunFacts,
	epoch: number,
	body: ExactReader,
	from: number,
): Promise<Result<"stored" | "refused", IsobarError>> {
	const perShard = specification.shard_parameters / ROW_PARAMETERS;
	const file = new WeightsFile(manifest);
	const underWay: Promise<boolean>[] = [];
	const ended = async () => ((await Promise.all(underWay)).every(Boolean) ? "stored" : "refused");
	const rows = rowsOf({ begin: from * ROW_PARAMETERS, end: manifest.parameters });
	for (const [index, range] of rows.entries()) {
		const length = file.byteOf(range.end) - file.byteOf(range.begin);
		const bytes = await body.read(length);
		if (bytes.byteLength < length) return ok(await ended());
		const values = file.decode(range, bytes);
		const bad = allFinite(values) ? -1 : values.findIndex((value) => !Number.isFinite(value));
		if (bad >= 0) {
			await Promise.all(underWay);
			return err(notFinite(file, range.begin + bad));
		}
		if (range.end === manifest.parameters && !(await body.isAtEnd())) {
			await Promise.all(underWay);
			return weightsInvalid("it goes on behind its last tensor");
		}
		const row = from + index;
		underWay.push(put(shardOf(env, id, Math.floor(row / perShard)), epoch, row % perShard, values));
		if (underWay.length >= ROWS_UNDER_WAY && !(await underWay.shift())) {
			await Promise.all(underWay);
			return ok("refused");
		}
	}
	return ok(await ended());
}

function notFinite(file: WeightsFile, index: number): IsobarError {
	const tensor = file.tensorOf(index);
	const message = `Parameter ${index} (in tensor "${tensor}") is not finite`;
	return isobarError("weights_invalid", message, { param: tensor, details: { index, reason: "not_finite" } });
}

async function put(
	shard: ReturnType<typeof shardOf>,
	epoch: number,
	row: number,
	values: Float32Array<ArrayBuffer>,
): Promise<boolean> {
	const digest = await crypto.subtle.digest("SHA-256", values);
	return shard.putInitialRow(epoch, row, new Uint8Array(values.buffer), digest);
}

async function storedRows(
	env: Env,
	{ id, manifest, specification }: RunFacts,
	head: WeightsFileHead | null,
): Promise<Stored> {
	const shards = shardsOf(manifest.parameters, specification.shard_parameters);
	const total = rowsOf({ begin: 0, end: manifest.parameters }).length;
	for (const range of shards) {
		const missing = firstMissing(await shardOf(env, id, range.shard).initialRows(head?.epoch ?? 0), range);
		if (missing !== null) return { rows: missing, total };
	}
	return { rows: total, total };
}

/** The first row of the model that a shard does not have. */
function firstMissing(rows: readonly number[], { begin, end }: ShardRange): number | null {
	const gap = rows.findIndex((row, index) => row !== index);
	const have = gap < 0 ? rows.length : gap;
	return have >= rowsOf({ begin, end }).length ? null : rowAt(begin) + have;
}

function nextByte({ manifest }: RunFacts, head: WeightsFileHead | null, { rows, total }: Stored): number {
	if (!head) return 0;
	return rows >= total ? head.size : head.dataOffset + new WeightsFile(manifest).byteOf(rows * ROW_PARAMETERS);
}

function shown(facts: RunFacts, head: WeightsFileHead | null, stored: Stored): object {
	return {
		object: "weights",
		bytes: head?.size ?? null,
		next_byte: nextByte(facts, head, stored),
		rows: { stored: stored.rows, total: stored.total },
		complete: stored.rows === stored.total,
	};
}

function wrongRange(first: number, next: number): IsobarError {
	const message = `The range begins at byte ${first}; send the file from byte 0 or go on at byte ${next}`;
	return isobarError("weights_range", message, { param: "content-range", details: { next_byte: next } });
}

function weightsInvalid(
	message: string,
	error?: { readonly code: string; readonly tensor?: string; readonly limit?: number },
): Result<never, IsobarError> {
	const details = error && { reason: error.code, ...(error.limit !== undefined && { limit: error.limit }) };
	return err(
		isobarError("weights_invalid", `The file cannot be the run's weights: ${message}`, {
			...(error?.tensor !== undefined && { param: error.tensor }),
			...(details && { details }),
		}),
	);
}
