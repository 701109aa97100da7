import { beforeAll, describe, expect, test } from "vitest";
import { decode } from "../../src/shared/federated/decode.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import { encodedBytes, ENCODINGS } from "../../src/shared/federated/encoding.ts";
import { safetensors, type Json, type TestClient, type TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

/** Two shards of one row, and a third with a short one. */
const ROW = 2 ** 18;
const PARAMETERS = 2 * ROW + 7;
const MODEL = {
	a: { dtype: "F32", shape: [3, 100], data_offsets: [0, 1_200] },
	b: { dtype: "BF16", shape: [PARAMETERS - 302], data_offsets: [1_200, 1_200 + 2 * (PARAMETERS - 302)] },
	c: {
		dtype: "F16",
		shape: [2],
		data_offsets: [1_200 + 2 * (PARAMETERS - 302), 1_204 + 2 * (PARAMETERS - 302)],
	},
};
const weights = Float32Array.from({ length: PARAMETERS }, (_, i) => (i % 64) - 32);
const file = safetensors(
	MODEL,
	joined([
		encode("f32", weights.subarray(0, 300)),
		encode("bf16", weights.subarray(300, PARAMETERS - 2)),
		encode("f16", weights.subarray(PARAMETERS - 2)),
	]),
);
const specification = { model: MODEL, flush: { when: "count", count: 1 }, shard_parameters: ROW };

let operator: TestOperator;
let run = "";
beforeAll(async () => {
	operator = await newOperator();
	run = await start(specification);
});

async function start(spec: object): Promise<string> {
	const { id } = (await operator.call("POST", "/v1/runs", spec)).body;
	await operator.raw("PUT", `/v1/runs/${id}/weights`, { body: file });
	expect((await operator.call("POST", `/v1/runs/${id}/start`)).status).toBe(200);
	return id;
}

describe("initial weights", () => {
	test("come in ranges, which go on where the rows end that are there", async () => {
		const { id } = (await operator.call("POST", "/v1/runs", specification)).body;
		const path = `/v1/runs/${id}/weights`;
		expect((await operator.call("POST", `/v1/runs/${id}/start`)).body.error.code).toBe("weights_incomplete");
		const put = (first: number, last: number): Promise<Response> =>
			operator.raw("PUT", path, {
				body: file.slice(first, last + 1),
				headers: { "content-range": `bytes ${first}-${last}/${file.length}` },
			});
		const half = (await (await put(0, 900_000)).json()) as Json;
		expect(half).toMatchObject({ complete: false, rows: { stored: 1, total: 3 } });
		expect(half.next_byte).toBeLessThanOrEqual(900_001);
		expect((await operator.call("GET", path)).body).toEqual(half);
		const wrong = await put(half.next_byte - 1, file.length - 1);
		expect(wrong.status).toBe(409);
		expect(((await wrong.json()) as Json).error).toMatchObject({
			code: "weights_range",
			details: { next_byte: half.next_byte },
		});
		expect(await (await put(half.next_byte, file.length - 1)).json()).toMatchObject({ complete: true });
		await operator.call("POST", `/v1/runs/${id}/start`);
		expect(await operator.weights(id)).toEqual(weights);
	});

	test("are the model's, finite, and end where they should", async () => {
		const { id } = (await operator.call("POST", "/v1/runs", specification)).body;
		const put = async (body: BodyInit): Promise<Json> =>
			(await (await operator.raw("PUT", `/v1/runs/${id}/weights`, { body })).json()) as Json;
		const other = { w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
		expect((await put(safetensors(other, new Float32Array(1)))).error).toMatchObject({
			code: "weights_invalid",
			details: { reason: "model_mismatch" },
		});
		const bad = file.slice();
		bad.set([0, 0, 0x80, 0x7f], file.length - (1_204 + 2 * (PARAMETERS - 302)) + 4 * 17);
		expect((await put(bad)).error).toMatchObject({ code: "weights_invalid", param: "a", details: { index: 17 } });
		expect((await put(joined([file, new Uint8Array(1)]))).error).toMatchObject({ code: "weights_invalid" });
		expect((await put("x".repeat(20))).error).toMatchObject({ code: "weights_invalid" });
	});
});

describe("pulls", () => {
	const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
		operator.raw("GET", `/v1/runs/${run}${path}`, { headers });
	const bytesOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(await response.arrayBuffer());

	test("a version by number, digest and `latest`, whole or in ranges, under one ETag each", async () => {
		const whole = await get("/versions/0");
		const all = await bytesOf(whole);
		expect(await operator.weights(run)).toEqual(weights);
		expect(whole.headers.get("cache-control")).toContain("immutable");
		const digest = whole.headers.get("x-isobar-digest")!;
		expect(await bytesOf(await get(`/versions/${digest}`))).toEqual(all);
		const latest = await get("/versions/latest");
		expect(latest.headers.get("cache-control")).toBe("private, no-cache");
		await latest.body?.cancel();
		const etag = whole.headers.get("etag")!;
		expect((await get("/versions/0", { "if-none-match": etag })).status).toBe(304);
		for (const [range, from, to] of [
			["bytes=0-9", 0, 10],
			["bytes=1048500-1049000", 1_048_500, 1_049_001],
			["bytes=-5", all.length - 5, all.length],
			[`bytes=${all.length - 1}-`, all.length - 1, all.length],
		] as const) {
			const part = await get("/versions/0", { range });
			expect(part.status).toBe(206);
			expect(part.headers.get("content-range")).toBe(`bytes ${from}-${to - 1}/${all.length}`);
			expect(await bytesOf(part)).toEqual(all.slice(from, to));
		}
		const beyond = await get("/versions/0", { range: `bytes=${all.length}-` });
		expect(beyond.status).toBe(416);
		await beyond.body?.cancel();
		const other = await get("/versions/0", { range: "bytes=0-9", "if-range": '"other"' });
		expect(other.status).toBe(200);
		await other.body?.cancel();
		const head = await operator.raw("HEAD", `/v1/runs/${run}/versions/0`);
		expect(head.headers.get("content-length")).toBe(String(all.length));
	});

	test("one shard, in each type", async () => {
		for (const dtype of ["f32", "f16", "bf16"] as const) {
			const bytes = await bytesOf(await get(`/versions/0/shards/2?dtype=${dtype}`));
			expect(bytes).toEqual(encode(dtype, weights.subarray(2 * ROW)));
		}
		expect((await get("/versions/0/shards/3")).status).toBe(404);
	});

	test("what is cached in a place is served without the shard", async () => {
		const { digest } = (await operator.call("GET", `/v1/runs/${run}`)).body;
		const url = `https://weights.isobar.internal/${run}/${digest}/f32/1/0`;
		await bytesOf(await get("/versions/0/shards/1"));
		expect(await caches.default.match(url)).toBeDefined();
		const other = new Response(new Uint8Array(4 * ROW).fill(7), { headers: { "cache-control": "max-age=60" } });
		await caches.default.put(url, other);
		expect((await bytesOf(await get("/versions/0/shards/1")))[0]).toBe(7);
		await caches.default.delete(url);
		expect(
			(await operator.raw("GET", `/v1/runs/${run}/versions/0/shards/1`, { headers: { authorization: "" } })).status,
		).toBe(401);
	});

	test("the delta since a version", async () => {
		const own = await start(specification);
		const client = await operator.join(own);
		const update = Float32Array.from({ length: PARAMETERS }, (_, i) => (i % 5) - 2);
		await client.contribute(update);
		await operator.untilVersion(own, 1);
		for (const dtype of ENCODINGS) {
			const response = await client.signed("GET", `/versions/1/delta?since=0&dtype=${dtype}`);
			const found = new Float32Array(PARAMETERS);
			decode(dtype, new Uint8Array(await response.arrayBuffer()), found);
			expect(found.every((value, i) => Math.abs(value - update[i]!) < 0.01)).toBe(true);
		}
		expect((await client.signed("GET", "/versions/1/delta")).status).toBe(400);
		expect((await client.signed("GET", "/versions/1/delta?since=9")).status).toBe(404);
	});
});

describe("pushes", () => {
	let client: TestClient;
	beforeAll(async () => {
		client = await operator.join(run);
	});

	test.each(ENCODINGS)("an update in %s makes the version that its decoded values make", async (encoding) => {
		const own = await start(specification);
		const member = await operator.join(own);
		const update = Float32Array.from({ length: PARAMETERS }, (_, i) => Math.fround(Math.sin(i)));
		const decided = await member.contribute(update, { encoding });
		const sent = new Float32Array(PARAMETERS);
		decode(encoding, encode(encoding, update), sent);
		await operator.untilVersion(own, 1);
		expect(await operator.weights(own)).toEqual(weights.map((value, i) => Math.fround(value + sent[i]!)));
		const norm = Math.sqrt(sent.reduce((sum, value) => sum + value * value, 0));
		expect(decided.body.norm).toBeCloseTo(norm, 6);
	});

	test("GET says which parts are missing; a part that is there is not stored twice, and other bytes replace it", async () => {
		const { update } = await client.task();
		const state = async (): Promise<Json> => (await client.call("GET", `/updates/${update}`)).body;
		expect(await state()).toMatchObject({ state: "open", parts: { total: 3, stored: [], missing: [0, 1, 2] } });
		const part = (value: number) => encode("f32", new Float32Array(7).fill(value));
		expect((await client.putPart(update, 2, part(1))).status).toBe(201);
		expect((await client.putPart(update, 2, part(1))).status).toBe(200);
		expect((await client.putPart(update, 2, part(2))).status).toBe(201);
		expect(await state()).toMatchObject({ parts: { missing: [0, 1] } });
		const parts = (await state()).parts.stored.map(({ digest }: Json) => digest);
		const early = await client.commit(update, ["0".repeat(64), "0".repeat(64), ...parts]);
		expect(early).toMatchObject({
			status: 409,
			body: { error: { code: "parts_missing", details: { missing: [0, 1] } } },
		});
		const few = await client.commit(update, parts);
		expect(few).toMatchObject({ status: 422, body: { error: { code: "part_invalid", param: "parts" } } });
		// It may still be mended.
		expect((await client.putPart(update, 2, part(3))).status).toBe(201);
	});

	test("a part must be the signed one, whole, finite, and of this client's update", async () => {
		const { update } = await client.task();
		const error = async (response: Promise<Response>): Promise<Json> => {
			const { error } = (await (await response).json()) as Json;
			return { code: error.code, param: error.param, ...error.details };
		};
		const good = new Uint8Array(encodedBytes("f32", 7));
		expect(await error(client.putPart(update, 2, good, "f32", { digestOf: new Uint8Array(3) }))).toMatchObject({
			code: "digest_mismatch",
		});
		expect(await error(client.putPart(update, 2, new Uint8Array(27)))).toMatchObject({
			code: "part_invalid",
			bytes: 28,
		});
		expect(await error(client.putPart(update, 2, new Uint8Array(29)))).toMatchObject({
			code: "part_invalid",
			bytes: 28,
		});
		expect(await error(client.putPart(update, 3, good))).toMatchObject({
			code: "part_invalid",
			param: "part",
			parts: 3,
		});
		expect(await error(client.putPart(update, 2, good, "f64" as "f32"))).toMatchObject({
			code: "part_invalid",
			param: "encoding",
		});
		const infinite = encode("f32", Float32Array.of(0, 0, 0, Infinity, 0, 0, 0));
		expect(await error(client.putPart(update, 2, infinite))).toEqual({
			code: "part_not_finite",
			param: null,
			index: 2 * ROW + 3,
		});
		const stranger = await operator.join(run);
		expect(await error(stranger.putPart(update, 2, good))).toMatchObject({ code: "update_not_found" });
		expect((await stranger.commit(update, ["0".repeat(64)])).body.error.code).toBe("update_not_found");
		expect((await stranger.call("GET", `/updates/${update}`)).body.error.code).toBe("update_not_found");
	});
});

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
	let at = 0;
	for (const piece of pieces) {
		all.set(piece, at);
		at += piece.length;
	}
	return all;
}
