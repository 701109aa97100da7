import { ENCODINGS, encodedBytes, type Encoding } from "../../src/shared/federated/encoding.ts";
import { partsOf, rowsInPart, shardsOf, type Part } from "../../src/shared/federated/shard-plan.ts";
import { ROW_BYTES, ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { isSameDigest } from "../../src/shared/http/content-digest.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { runOf, shardOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts } from "../../durable-objects/run.messages.ts";
import type { RowsReply, ShardPort, StagedPart } from "../../durable-objects/shard.messages.ts";
import { clientOf } from "./caller.ts";
import { ExactReader } from "./exact-reader.ts";
import { openUpdate } from "./objects.ts";
import { hexOf } from "./secret.ts";

/** Bytes of whole rows that go to the shard in one call, while those of the next are read. Twice as many would be a fifth fewer commits, and
 *  twice the memory for every part that is on its way. */
const CALL_BYTES = ROW_BYTES;

interface Answered {
	readonly status: 200 | 201;
	readonly body: object;
}

/** `PUT /v1/runs/{id}/updates/{update}/parts/{n}`: a part goes to its shard row by row and counts as staged when its digest is the
 *  signed one. Only a row of it is ever in memory, here and in the shard. */
export async function putPart(
	request: Request,
	env: Env,
	run: string,
	update: string,
	number: string,
): Promise<Result<Answered, IsobarError>> {
	const caller = await clientOf(request, env, run, "digested");
	if (!caller.ok) return caller;
	const { facts, client, digest } = caller.value;
	const open = await openUpdate(env, run, client, update);
	if (!open.ok) return open;
	const encoding = encodingOf(request.url, facts);
	if (!encoding.ok) return encoding;
	const part = partOf(facts, encoding.value, number);
	if (!part.ok) return part;
	const expected = digest ?? new Uint8Array(0);
	const shard = shardOf(env, run, part.value.shard);
	const reader = new ExactReader(request.body);
	const { begin, end } = part.value;
	const place = { update, part: part.value.part, encoding: encoding.value, begin, end };
	const digestHex = hexOf(expected);
	let opened = await shard.open(place, digestHex);
	if ("found" in opened && opened.found.digest !== digestHex) {
		// Sealed: the update is decided, or else a commit of other bytes has broken off.
		const reopened = await runOf(env, run).reopen(client, update);
		if (!reopened.ok) {
			await reader.discard(part.value.bytes);
			return reopened;
		}
		opened = await shard.open(place, digestHex);
	}
	if ("found" in opened) {
		await reader.discard(part.value.bytes);
		const { found } = opened;
		if (found.digest === digestHex) return ok({ status: 200, body: shown(found, part.value) });
		return err(isobarError("update_closed", `The parts of ${update} are fixed by its commit`, { param: "part" }));
	}
	const staged = await stage(shard, opened.upload, reader, part.value, encoding.value, expected);
	if (!staged.ok) {
		await shard.close(opened.upload, null);
		await reader.discard(part.value.bytes);
		return staged;
	}
	return ok({ status: 201, body: shown(staged.value, part.value) });
}

async function stage(
	shard: ShardPort,
	upload: number,
	reader: ExactReader,
	part: Part,
	encoding: Encoding,
	expected: Uint8Array,
): Promise<Result<StagedPart, IsobarError>> {
	const hash = new crypto.DigestStream("SHA-256");
	const writer = hash.getWriter();
	// A part that is given up has no digest.
	hash.digest.catch(() => {});
	let underWay: Promise<RowsReply> = Promise.resolve({ ok: true });
	let received = 0;
	for (const { row, byteBegin, byteEnd } of callsOf(part, encoding)) {
		const bytes = await reader.read(byteEnd - byteBegin);
		received += bytes.byteLength;
		const reply = rowError(await underWay);
		if (!reply.ok) return reply;
		if (bytes.byteLength < byteEnd - byteBegin) return err(wrongLength(part, encoding, `it has ${received}`));
		underWay = shard.putRows(upload, row, bytes);
		await writer.write(bytes);
		// The call has its own copy.
		reader.reuse(bytes);
	}
	const reply = rowError(await underWay);
	if (!reply.ok) return reply;
	if (!(await reader.isAtEnd())) return err(wrongLength(part, encoding, "it has more"));
	await writer.close();
	const digest = new Uint8Array(await hash.digest);
	if (!isSameDigest(digest, expected)) {
		const message = "The body is not the one that its Content-Digest names";
		return err(isobarError("digest_mismatch", message, { details: { received: hexOf(digest) } }));
	}
	const staged = await shard.close(upload, hexOf(digest));
	return staged ? ok(staged) : err(UPLOAD_GONE);
}

interface RowsCall {
	/** The first of its rows, counted within the part. */
	readonly row: number;
	readonly byteBegin: number;
	readonly byteEnd: number;
}

/** The rows of a part, cut into calls. */
function callsOf(part: Part, encoding: Encoding): readonly RowsCall[] {
	const rows = rowsInPart(part, encoding);
	const perCall = Math.floor(CALL_BYTES / encodedBytes(encoding, ROW_PARAMETERS));
	const calls: RowsCall[] = [];
	for (let row = 0; row < rows.length; row += perCall) {
		const last = rows[Math.min(rows.length, row + perCall) - 1]!;
		calls.push({ row, byteBegin: rows[row]!.byteBegin, byteEnd: last.byteEnd });
	}
	return calls;
}

const UPLOAD_GONE = isobarError("update_closed", "The update was closed, or this part was sent anew, while it came");

function rowError(reply: RowsReply): Result<null, IsobarError> {
	if (reply.ok) return ok(null);
	if (reply.fault === "upload_gone") return err(UPLOAD_GONE);
	const message = `Parameter ${reply.index} of the update is not finite`;
	return err(isobarError("part_not_finite", message, { details: { index: reply.index } }));
}

function wrongLength({ part, bytes }: Part, encoding: Encoding, found: string): IsobarError {
	const message = `Part ${part} in ${encoding} has ${bytes} bytes, and ${found}`;
	return isobarError("part_invalid", message, { param: "body", details: { bytes } });
}

/** The encoding that a query names; `f32` where it names none. */
export function encodingOf(url: string, { specification }: RunFacts): Result<Encoding, IsobarError> {
	const name = new URL(url).searchParams.get("encoding") ?? "f32";
	const encoding = ENCODINGS.find((each) => each === name);
	if (encoding && specification.encodings.includes(encoding)) return ok(encoding);
	const message = `The run takes updates in ${specification.encodings.join(", ")}`;
	return err(
		isobarError("part_invalid", message, { param: "encoding", details: { encodings: specification.encodings } }),
	);
}

export function plannedParts({ manifest, specification }: RunFacts, encoding: Encoding): readonly Part[] {
	return partsOf(shardsOf(manifest.parameters, specification.shard_parameters), encoding);
}

function partOf(facts: RunFacts, encoding: Encoding, number: string): Result<Part, IsobarError> {
	const parts = plannedParts(facts, encoding);
	const part = /^\d{1,7}$/.test(number) ? parts[Number(number)] : undefined;
	if (part) return ok(part);
	const message = `An update in ${encoding} has ${parts.length} parts, numbered from 0`;
	return err(isobarError("part_invalid", message, { param: "part", details: { parts: parts.length } }));
}

function shown({ part, digest, squareNorm }: StagedPart, { bytes }: Part): object {
	return { object: "part", part, digest, bytes, norm: Math.sqrt(squareNorm) };
}

/** `GET /v1/runs/{id}/plan`: how an update is cut. */
export function planOf(facts: RunFacts, encoding: Encoding): object {
	const { manifest, specification } = facts;
	const parts = plannedParts(facts, encoding);
	return {
		object: "plan",
		encoding,
		parameters: manifest.parameters,
		row_parameters: ROW_PARAMETERS,
		shard_parameters: specification.shard_parameters,
		shards: (parts.at(-1)?.shard ?? -1) + 1,
		bytes: encodedBytes(encoding, manifest.parameters),
		parts,
	};
}
