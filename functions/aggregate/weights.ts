import { headerBytes, LENGTH_BYTES, readFileHead, type FileHead } from "../../src/shared/federated/safetensors.ts";
import { differenceOf } from "../../src/shared/federated/manifest.ts";
import { rowAt, rowsOf, shardsOf, type ShardRange } from "../../src/shared/federated/shard-plan.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf, shardOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, WeightsFileHead } from "../../durable-objects/run.messages.ts";
import { readContentRange } from "./byte-range.ts";
import { ExactReader } from "./exact-reader.ts";
import { WeightsFile } from "./weights-file.ts";

/** Rows on their way to shards while the next is read. */
const ROWS_UNDER_WAY = 4;

interface Stored {
	/** Rows of the model that are there without a gap, from the first on. */
	readonly rows: number;
	readonly total: number;
}

/** `GET /v1/runs/{id}/weights`: how much of the initial weights is there. */
export async function weightsState(env: Env, facts: RunFacts): Promise<Result<object, IsobarError>> {
	const head = await runOf(env, facts.id).weightsFile();
	if (!head.ok) return head;
	return ok(shown(facts, head.value, await storedRows(env, facts)));
}

/** `PUT /v1/runs/{id}/weights`: a safetensors file, or the range of it that comes next. Only a row at a time is in memory. */
export async function putWeights(request: Request, env: Env, facts: RunFacts): Promise<Result<object, IsobarError>> {
	const run = runOf(env, facts.id);
	const kept = await run.weightsFile();
	if (!kept.ok) return kept;
	const stored = await storedRows(env, facts);
	const range = rangeOf(request.headers.get("content-range"));
	if (!range.ok) return range;
	const first = range.value?.first ?? 0;
	const next = nextByte(facts, kept.value, stored);
	if (first !== 0 && first !== next) return err(wrongRange(first, next));
	const reader = new ExactReader(request.body);
	let head = kept.value;
	if (first === 0) {
		const read = await readHead(reader, facts);
		if (!read.ok) return read;
		head = { size: read.value.dataOffset + read.value.dataBytes, dataOffset: read.value.dataOffset };
		const put = await run.putWeightsFile(head);
		if (!put.ok) return put;
	}
	if (!head) return err(wrongRange(first, 0));
	if (range.value && range.value.size !== head.size) {
		return weightsInvalid(`The file would have ${range.value.size} bytes, and by its header it has ${head.size}`);
	}
	const row = first === 0 ? 0 : stored.rows;
	const sent = await sendRows(env, facts, reader, row);
	if (!sent.ok) return sent;
	return ok(shown(facts, head, await storedRows(env, facts)));
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

/** Sends what comes, row by row, from row `from` on, to the shards. What is left of a row when the body ends is forgotten. */
async function sendRows(
	env: Env,
	{ id, manifest, specification }: RunFacts,
	body: ExactReader,
	from: number,
): Promise<Result<null, IsobarError>> {
	const perShard = specification.shard_parameters / ROW_PARAMETERS;
	const file = new WeightsFile(manifest);
	const underWay: Promise<void>[] = [];
	const rows = rowsOf({ begin: from * ROW_PARAMETERS, end: manifest.parameters });
	for (const [index, range] of rows.entries()) {
		const length = file.byteOf(range.end) - file.byteOf(range.begin);
		const bytes = await body.read(length);
		if (bytes.byteLength < length) {
			await Promise.all(underWay);
			return ok(null);
		}
		const values = file.decode(range, bytes);
		const bad = values.findIndex((value) => !Number.isFinite(value));
		if (bad >= 0) {
			await Promise.all(underWay);
			return err(notFinite(file, range.begin + bad));
		}
		const row = from + index;
		underWay.push(put(shardOf(env, id, Math.floor(row / perShard)), row % perShard, values));
		if (underWay.length >= ROWS_UNDER_WAY) await underWay.shift();
	}
	await Promise.all(underWay);
	return (await body.isAtEnd()) ? ok(null) : weightsInvalid("it goes on behind its last tensor");
}

function notFinite(file: WeightsFile, index: number): IsobarError {
	const tensor = file.tensorOf(index);
	const message = `Parameter ${index} (in tensor "${tensor}") is not finite`;
	return isobarError("weights_invalid", message, { param: tensor, details: { index, reason: "not_finite" } });
}

async function put(shard: ReturnType<typeof shardOf>, row: number, values: Float32Array<ArrayBuffer>): Promise<void> {
	await shard.putInitialRow(row, new Uint8Array(values.buffer), await crypto.subtle.digest("SHA-256", values));
}

async function storedRows(env: Env, { id, manifest, specification }: RunFacts): Promise<Stored> {
	const shards = shardsOf(manifest.parameters, specification.shard_parameters);
	const total = rowsOf({ begin: 0, end: manifest.parameters }).length;
	for (const range of shards) {
		const missing = firstMissing(await shardOf(env, id, range.shard).initialRows(), range);
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
