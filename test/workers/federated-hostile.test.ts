import { beforeAll, describe, expect, test } from "vitest";
import { encode } from "../../src/shared/federated/encode.ts";
import { newNonce, safetensors, TestClient, type Json, type TestOperator } from "../support/federated-client.ts";
import { fetchWorker, newOperator, URL } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const count = (count: number): object => ({ flush: { when: "count", count } });
const f32 = (...values: number[]): Uint8Array<ArrayBuffer> => encode("f32", Float32Array.from(values));
const codeOf = async (response: Promise<Response>): Promise<string> =>
	((await (await response).json()) as Json).error?.code;

/** The seven cases of adversarial-ingest.json: what Flower's FedAvg took (observed at flwrlabs/flower fdef7afb), and what is done here. */
describe("what Flower's FedAvg takes", () => {
	test("nan_client: the part is refused, and the round goes on without it", async () => {
		const run = await operator.startRun(count(1), Float32Array.of(0, 0));
		const [good, bad] = [await operator.join(run), await operator.join(run)];
		const { update } = await bad.task();
		expect(await codeOf(bad.putPart(update, 0, f32(Number.NaN, 2)))).toBe("part_not_finite");
		await good.contribute(Float32Array.of(1, 2));
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([1, 2]);
	});

	test.each([
		["zero_weights", 0],
		["negative_weight", -5],
		["a fraction of nothing", -0.5],
		["1e12 examples", 1e12],
	])("%s: the commit says what is wrong, and may be mended", async (_, examples) => {
		const run = await operator.startRun(count(1), Float32Array.of(0));
		const client = await operator.join(run);
		const { update } = await client.task();
		const parts = await client.putParts(update, Float32Array.of(3));
		const refused = await client.commit(update, parts, { examples });
		expect(refused).toMatchObject({ status: 422, body: { error: { code: "report_invalid", param: "examples" } } });
		expect((await client.commit(update, parts, { examples: 1 })).body.state).toBe("pending");
	});

	test("huge_weight_claim: what counts is capped by the invitation, then by the run", async () => {
		const run = await operator.startRun({ ...count(2), weights: { max: 100 } }, Float32Array.of(0));
		const liar = await operator.join(run, { weight_max: 1 });
		const other = await operator.join(run);
		expect((await liar.contribute(Float32Array.of(1_000), { examples: 1e9 })).body.weight).toBe(1);
		expect((await other.contribute(Float32Array.of(0), { examples: 1e9 })).body.weight).toBe(100);
		await operator.untilVersion(run, 1);
		expect((await operator.weights(run))[0]).toBeCloseTo(1_000 / 101, 4);
	});

	test("int64_buffer: a model with integers is no model of a run", async () => {
		const model = { steps: { dtype: "I64", shape: [1], data_offsets: [0, 8] } };
		const { status, body } = await operator.call("POST", "/v1/runs", { ...count(1), model });
		expect(status).toBe(422);
		expect(body.error.code).toBe("specification_invalid");
		expect(body.error.details.problems[0]).toMatchObject({ path: "model", message: expect.stringContaining("I64") });
	});

	test("broadcastable_shape_mismatch: nothing is broadcast, a part has the plan's length", async () => {
		const run = await operator.startRun(count(1), new Float32Array(6));
		const client = await operator.join(run);
		const { update } = await client.task();
		expect(await codeOf(client.putPart(update, 0, f32(1, 2, 3)))).toBe("part_invalid");
	});

	test("float16_accumulation: updates in f16 are summed in double precision", async () => {
		const run = await operator.startRun({ ...count(20), weights: { by: "uniform" } }, new Float32Array(64));
		const all: Float32Array[] = [];
		for (let i = 0; i < 20; i++) {
			const client = await operator.join(run);
			const values = Float32Array.from({ length: 64 }, (_, at) => Math.round(Math.sin(i * 64 + at) * 1_024) / 1_024);
			all.push(values);
			await client.contribute(values, { encoding: "f16" });
		}
		await operator.untilVersion(run, 1);
		const mean = Array.from({ length: 64 }, (_, at) => all.reduce((sum, values) => sum + values[at]!, 0) / 20);
		const found = await operator.weights(run);
		const error = Math.hypot(...mean.map((value, at) => value - found[at]!)) / Math.hypot(...mean);
		expect(error).toBeLessThan(1e-7);
	});
});

describe("signatures", () => {
	let run = "";
	let client: TestClient;
	beforeAll(async () => {
		run = await operator.startRun(count(2), Float32Array.of(0));
		client = await operator.join(run);
	});

	test("a replayed commit is refused, the same one signed again is answered the same", async () => {
		const { update } = await client.task();
		const parts = await client.putParts(update, Float32Array.of(1));
		const nonce = newNonce();
		const first = await client.commit(update, parts, {}, { nonce });
		expect(first.body.state).toBe("pending");
		const replayed = await client.commit(update, parts, {}, { nonce });
		expect(replayed).toMatchObject({ status: 409, body: { error: { code: "nonce_replayed" } } });
		expect((await client.commit(update, parts)).body).toEqual(first.body);
	});

	test("a commit or a join without a nonce, or with a bad one, is refused", async () => {
		expect((await client.commit("up_1_x", ["0".repeat(64)], {}, { nonce: null })).body.error.code).toBe(
			"nonce_missing",
		);
		expect((await client.commit("up_1_x", ["0".repeat(64)], {}, { nonce: "short" })).body.error.code).toBe(
			"signature_invalid",
		);
	});

	test("another's signature, a forged body, an old or early one, one of a longer life", async () => {
		const stranger = await TestClient.make(URL, run, fetchWorker);
		const now = Math.floor(Date.now() / 1_000);
		const code = async (by: TestClient, options: object): Promise<string> =>
			codeOf(by.signed("GET", "/task", null, options));
		expect(await code(stranger, { keyid: client.id })).toBe("signature_invalid");
		expect(await code(stranger, { keyid: "cl_none" })).toBe("client_unknown");
		expect(await code(client, { created: now - 400 })).toBe("signature_expired");
		expect(await code(client, { created: now + 100 })).toBe("signature_expired");
		expect(await code(client, { created: now, expires: now + 301 })).toBe("signature_invalid");
		const body = Uint8Array.of(123, 125);
		const other = { nonce: newNonce(), digestOf: Uint8Array.of(91, 93) };
		expect(await codeOf(client.signed("POST", "/updates/up_1_x/commit", body, other))).toBe("digest_mismatch");
	});

	test("one that was made for another path, query, method or host", async () => {
		let last: RequestInit = {};
		const signing = await TestClient.make(URL, run, (url, init = {}) => {
			last = init;
			return fetchWorker(url, init);
		});
		expect((await signing.join(await operator.invitation(run))).status).toBe(201);
		expect((await signing.call("GET", "/task?wait=0")).status).toBe(200);
		const { headers = {} } = last;
		const replay = (method: string, url: string): Promise<Response> => fetchWorker(url, { method, headers });
		expect((await replay("GET", `${URL}/v1/runs/${run}/task?wait=0`)).status).toBe(200);
		for (const [method, url] of [
			["GET", `${URL}/v1/runs/${run}/task?wait=1`],
			["GET", `${URL}/v1/runs/${run}/task`],
			["GET", `${URL}/v1/runs/${run}/plan?wait=0`],
			["POST", `${URL}/v1/runs/${run}/tickets?wait=0`],
			["GET", `https://other.example.com/v1/runs/${run}/task?wait=0`],
		] as const) {
			expect(await codeOf(replay(method, url))).toBe("signature_invalid");
		}
	});

	test("none at all, or an API key where a client has to sign", async () => {
		expect(await codeOf(fetchWorker(`${URL}/v1/runs/${run}/task`))).toBe("signature_missing");
		expect((await operator.call("GET", `/v1/runs/${run}/task`)).body.error.code).toBe("signature_missing");
	});
});

describe("who may join", () => {
	test("an invitation is good for as many as it says, until it ends; the same key uses it once", async () => {
		const run = await operator.startRun(count(1), Float32Array.of(0));
		const token = await operator.invitation(run, { uses: 1 });
		const [a, b] = [await TestClient.make(URL, run, fetchWorker), await TestClient.make(URL, run, fetchWorker)];
		const first = await a.join(token);
		expect(first.status).toBe(201);
		expect(await a.join(token)).toMatchObject({ status: 200, body: { id: first.body.id } });
		expect((await b.join(token)).body.error.code).toBe("invitation_used");
		expect((await b.join("isoinv_no")).body.error.code).toBe("invitation_invalid");
		const short = await operator.invitation(run, { expires_in_seconds: 0.001 });
		await new Promise((resolve) => setTimeout(resolve, 5));
		expect((await b.join(short)).body.error.code).toBe("invitation_expired");
		const { body } = await operator.call("POST", `/v1/runs/${run}/invitations`);
		await operator.call("DELETE", `/v1/runs/${run}/invitations/${body.id}`);
		expect((await b.join(body.token)).body.error.code).toBe("invitation_invalid");
		await operator.call("DELETE", `/v1/runs/${run}/clients/${a.id}`);
		expect((await a.join(token)).body.error.code).toBe("client_expelled");
	});

	test("a run of another tenant is not there", async () => {
		const run = await operator.startRun(count(1), Float32Array.of(0));
		const other = await newOperator("other");
		for (const [method, path] of [
			["GET", ""],
			["DELETE", ""],
			["POST", "/pause"],
			["GET", "/versions/0"],
			["POST", "/invitations"],
		] as const) {
			const { status, body } = await other.call(method, `/v1/runs/${run}${path}`);
			expect({ status, code: body.error.code }).toEqual({ status: 404, code: "run_not_found" });
		}
		for (const id of ["run_x", `run_${"0".repeat(32)}`, "..", "%00"]) {
			const { status } = await operator.call("GET", `/v1/runs/${id}/rounds`);
			expect(status).toBe(404);
		}
	});
});

describe("manifests and specifications", () => {
	const tensor = (begin: number, end: number, shape = [(end - begin) / 4]): object => ({
		dtype: "F32",
		shape,
		data_offsets: [begin, end],
	});
	test.each([
		["a hole", { a: tensor(0, 4), b: tensor(8, 12) }],
		["an overlap", { a: tensor(0, 8), b: tensor(4, 12) }],
		["offsets that are not the shape's", { a: tensor(0, 8, [3]) }],
		["10^18 parameters", { a: tensor(0, 4e18, [1e9, 1e9]) }],
		["a negative size", { a: tensor(0, 4, [-1]) }],
		["no parameters", {}],
		["no object", "x"],
	])("a model with %s", async (_, model) => {
		const { status, body } = await operator.call("POST", "/v1/runs", { ...count(1), model });
		expect({ status, code: body.error.code }).toEqual({ status: 422, code: "specification_invalid" });
	});

	test("a model with too many tensors, and a file that says it has 10^9", async () => {
		const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`t${i}`, tensor(4 * i, 4 * i + 4)]));
		const { body } = await operator.call("POST", "/v1/runs", { ...count(1), model: many });
		expect(body.error.details.problems[0].message).toContain("10000");
		const model = { w: tensor(0, 4) };
		const { id } = (await operator.call("POST", "/v1/runs", { ...count(1), model })).body;
		const file = safetensors(model, Float32Array.of(1));
		new DataView(file.buffer).setBigUint64(0, 2n ** 62n, true);
		expect(await codeOf(operator.raw("PUT", `/v1/runs/${id}/weights`, { body: file }))).toBe("weights_invalid");
	});

	test("parts that do not fit together are all named at once", async () => {
		const { body } = await operator.call("POST", "/v1/runs", {
			flush: { when: "count", count: 3, count_min: 4 },
			rule: { name: "fedasync" },
			selection: { by: "count", count: 2 },
			model: { w: tensor(0, 4) },
		});
		const paths = body.error.details.problems.map(({ path }: Json) => path);
		expect(paths).toEqual(expect.arrayContaining(["flush.count_min", "selection.count", "flush"]));
	});

	test("updates of a round that would not fit the shards", async () => {
		const bytes = 4 * 2 ** 32;
		const { body } = await operator.call("POST", "/v1/runs", {
			flush: { when: "count", count: 9_000 },
			model: { w: tensor(0, bytes, [2 ** 32]) },
		});
		expect(body.error.details.problems[0].path).toBe("shard_parameters");
	});
});
