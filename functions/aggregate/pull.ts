import { encode } from "../../src/shared/federated/encode.ts";
import { f32View } from "../../src/shared/federated/decode.ts";
import { type Encoding } from "../../src/shared/federated/encoding.ts";
import type { TensorType } from "../../src/shared/federated/manifest.ts";
import { writeFileHead } from "../../src/shared/federated/safetensors.ts";
import { ROW_BYTES } from "../../src/shared/federated/sizes.ts";
import { shardsOf, type ShardRange } from "../../src/shared/federated/shard-plan.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { shardOf } from "../../durable-objects/federated-objects.ts";
import type { RunFacts, VersionName } from "../../durable-objects/run.messages.ts";
import { readRange } from "./byte-range.ts";
import { segmentsOf, slicesOf, type Segment } from "./layout.ts";
import { versionOf } from "./objects.ts";
import { PullBuffers } from "./pull-buffers.ts";
import { sendSlices } from "./send-slices.ts";

/** What `?dtype=` may name; int8 for differences only. */
const FILE_TYPES: Readonly<Record<string, TensorType>> = { f32: "F32", f16: "F16", bf16: "BF16" };
const DELTA_TYPES: readonly Encoding[] = ["f32", "f16", "bf16", "int8"];

/** Shared by all pulls of the isolate. */
const buffers = new PullBuffers();

/** What reading a segment holds at most: the f32 rows, two of which a difference is made of, and what is sent of it. */
function heldBytes({ rows }: Segment): number {
	return 3 * rows * ROW_BYTES;
}

/** Bytes that can be sent: a head, and segments behind it. */
interface Content {
	readonly head: Uint8Array;
	readonly segments: readonly Segment[];
	readonly read: (segment: Segment) => Promise<Uint8Array>;
	readonly etag: string;
	readonly version: VersionName;
	readonly type: string;
}

interface Pull {
	readonly request: Request;
	readonly env: Env;
	readonly ctx: ExecutionContext;
	readonly facts: RunFacts;
}

/** `GET /v1/runs/{id}/versions/{version}`: the model as a safetensors file. */
export async function pullModel(pull: Pull, name: string): Promise<Result<Response, IsobarError>> {
	const version = await versionOf(pull.env, pull.facts.id, name);
	if (!version.ok) return version;
	const dtype = dtypeOf(pull.request.url, Object.keys(FILE_TYPES) as Encoding[]);
	if (!dtype.ok) return dtype;
	const type = FILE_TYPES[dtype.value] ?? "F32";
	const head = writeFileHead(pull.facts.manifest, type, { "isobar.version": version.value.digest });
	return answer(pull, name, {
		head,
		segments: segmentsOf(allShards(pull.facts), dtype.value),
		read: (segment) => weights(pull, version.value, dtype.value, segment),
		etag: `${version.value.digest}-${dtype.value}`,
		version: version.value,
		type: "application/vnd.safetensors",
	});
}

/** `GET /v1/runs/{id}/versions/{version}/shards/{n}`: a shard's numbers. */
export async function pullShard(pull: Pull, name: string, number: string): Promise<Result<Response, IsobarError>> {
	const version = await versionOf(pull.env, pull.facts.id, name);
	if (!version.ok) return version;
	const dtype = dtypeOf(pull.request.url, Object.keys(FILE_TYPES) as Encoding[]);
	if (!dtype.ok) return dtype;
	const shards = allShards(pull.facts);
	const shard = /^\d{1,6}$/.test(number) ? shards[Number(number)] : undefined;
	if (!shard) {
		return err(isobarError("not_found", `The run has ${shards.length} shards, numbered from 0`, { param: "shard" }));
	}
	return answer(pull, name, {
		head: new Uint8Array(0),
		segments: segmentsOf([shard], dtype.value),
		read: (segment) => weights(pull, version.value, dtype.value, segment),
		etag: `${version.value.digest}-${dtype.value}-${shard.shard}`,
		version: version.value,
		type: "application/octet-stream",
	});
}

/** `GET /v1/runs/{id}/versions/{version}/delta?since=`: what was added since another version. */
export async function pullDelta(pull: Pull, name: string): Promise<Result<Response, IsobarError>> {
	const since = new URL(pull.request.url).searchParams.get("since");
	if (since === null) {
		return err(isobarError("invalid_request", "Say since which version: ?since=", { param: "since" }));
	}
	const version = await versionOf(pull.env, pull.facts.id, name);
	if (!version.ok) return version;
	const base = await versionOf(pull.env, pull.facts.id, since);
	if (!base.ok) return err({ ...base.error, param: "since" });
	const dtype = dtypeOf(pull.request.url, DELTA_TYPES);
	if (!dtype.ok) return dtype;
	return answer(pull, name === "latest" || since === "latest" ? "latest" : name, {
		head: new Uint8Array(0),
		segments: segmentsOf(allShards(pull.facts), dtype.value),
		read: (segment) => difference(pull, version.value, base.value, dtype.value, segment),
		etag: `${version.value.digest}-${base.value.digest}-${dtype.value}`,
		version: version.value,
		type: "application/octet-stream",
	});
}

function allShards({ manifest, specification }: RunFacts): readonly ShardRange[] {
	return shardsOf(manifest.parameters, specification.shard_parameters);
}

function dtypeOf(url: string, types: readonly Encoding[]): Result<Encoding, IsobarError> {
	const name = new URL(url).searchParams.get("dtype") ?? "f32";
	const type = types.find((each) => each === name);
	if (type) return ok(type);
	return err(isobarError("invalid_request", `dtype has to be ${types.join(", ")}`, { param: "dtype" }));
}

function answer({ request, ctx }: Pull, name: string, content: Content): Result<Response, IsobarError> {
	const size = content.head.byteLength + content.segments.reduce((sum, { bytes }) => sum + bytes, 0);
	const etag = `"${content.etag}"`;
	const headers = new Headers({
		etag,
		"accept-ranges": "bytes",
		"cache-control": name === "latest" ? "private, no-cache" : "private, max-age=31536000, immutable",
		"x-isobar-version": String(content.version.version),
		"x-isobar-digest": content.version.digest,
	});
	const matches = request.headers.get("if-none-match");
	if (matches !== null && matches.split(",").some((each) => each.trim().replace(/^W\//, "") === etag)) {
		return ok(new Response(null, { status: 304, headers }));
	}
	const ifRange = request.headers.get("if-range");
	const asked = ifRange === null || ifRange === etag ? request.headers.get("range") : null;
	const range = readRange(asked, size);
	if (!range.ok) {
		return err(isobarError("range_not_satisfiable", `There are ${size} bytes`, { param: "range", details: { size } }));
	}
	const { first, last } = range.value ?? { first: 0, last: size - 1 };
	headers.set("content-type", content.type);
	headers.set("content-length", String(last + 1 - first));
	if (range.value) headers.set("content-range", `bytes ${first}-${last}/${size}`);
	const status = range.value ? 206 : 200;
	if (request.method === "HEAD") return ok(new Response(null, { status, headers }));
	const { readable, writable } = new FixedLengthStream(last + 1 - first);
	ctx.waitUntil(pump(content, { first, last }, writable));
	return ok(new Response(readable, { status, headers }));
}

async function pump(content: Content, range: { first: number; last: number }, to: WritableStream<Uint8Array>) {
	const writer = to.getWriter();
	try {
		const { head, segments, read } = content;
		if (range.first < head.byteLength) {
			await writer.write(head.subarray(range.first, Math.min(head.byteLength, range.last + 1)));
		}
		const inSegments = {
			first: Math.max(0, range.first - head.byteLength),
			last: range.last - head.byteLength,
		};
		await sendSlices(slicesOf(segments, inSegments), read, heldBytes, writer, buffers);
		await writer.close();
	} catch (error) {
		await writer.abort(error).catch(() => {});
	}
}

/** A segment of a version, from this place's cache when it is there. The key names its digest, so what is cached is right for ever; it
 *  is asked only for who was authenticated. */
async function weights(
	{ env, ctx, facts }: Pull,
	{ version, digest }: VersionName,
	dtype: Encoding,
	segment: Segment,
): Promise<Uint8Array> {
	const url = `https://weights.isobar.internal/${facts.id}/${digest}/${dtype}/${segment.shard}/${segment.row}`;
	const cached = await caches.default.match(url);
	if (cached) return new Uint8Array(await cached.arrayBuffer());
	const rows = await rowsFrom(env, facts.id, segment, version);
	const bytes = dtype === "f32" ? rows : encode(dtype, f32View(rows, rows.byteLength / 4));
	const headers = {
		"cache-control": "public, max-age=31536000, immutable",
		"content-length": String(bytes.byteLength),
	};
	ctx.waitUntil(caches.default.put(url, new Response(bytes as Uint8Array<ArrayBuffer>, { headers })));
	return bytes;
}

async function difference(
	pull: Pull,
	version: VersionName,
	base: VersionName,
	dtype: Encoding,
	segment: Segment,
): Promise<Uint8Array> {
	const [to, from] = await Promise.all([weights(pull, version, "f32", segment), weights(pull, base, "f32", segment)]);
	const [a, b] = [f32View(to, to.byteLength / 4), f32View(from, from.byteLength / 4)];
	return encode(
		dtype,
		a.map((value, index) => value - b[index]!),
	);
}

async function rowsFrom(env: Env, run: string, { shard, row, rows }: Segment, version: number): Promise<Uint8Array> {
	const bytes = await shardOf(env, run, shard).rows(version, row, rows);
	if (!bytes) throw new Error(`version ${version} was collected while it was sent`);
	return bytes;
}
