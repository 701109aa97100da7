import { beforeAll, expect, test } from "vitest";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { safetensors, type Json, type TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

/** Two shards of one row each. */
const PARAMETERS = 2 * ROW_PARAMETERS;
const model = { w: { dtype: "F32", shape: [PARAMETERS], data_offsets: [0, 4 * PARAMETERS] } };
const file = (value: number, last = value): Uint8Array<ArrayBuffer> => {
	const values = new Float32Array(PARAMETERS).fill(value);
	values[PARAMETERS - 1] = last;
	return safetensors(model, values);
};
const HEAD = file(0).length - 4 * PARAMETERS;
const ROW = 4 * ROW_PARAMETERS;

async function newRun() {
	const specification = { model, flush: { when: "count", count: 1 }, shard_parameters: ROW_PARAMETERS };
	const { id } = (await operator.call("POST", "/v1/runs", specification)).body;
	const path = `/v1/runs/${id}/weights`;
	const put = async (body: Uint8Array<ArrayBuffer>, first?: number, total = file(0).length) => {
		const range = first === undefined ? {} : { "content-range": `bytes ${first}-${first + body.length - 1}/${total}` };
		const response = await operator.raw("PUT", path, { body, headers: range });
		return { status: response.status, body: (await response.json()) as Json };
	};
	const state = async (): Promise<Json> => (await operator.call("GET", path)).body;
	const start = async () => operator.call("POST", `/v1/runs/${id}/start`);
	return { id: id as string, put, state, start };
}

test("version 0 is one file, also when a start was refused while another had come in part", async () => {
	const { id, put, start } = await newRun();
	await put(file(1).slice(0, HEAD + ROW), 0);
	expect((await start()).body.error.code).toBe("weights_incomplete");
	expect((await put(file(2))).body).toMatchObject({ complete: true });
	expect((await start()).status).toBe(200);
	const weights = await operator.weights(id);
	expect([weights[0], weights[PARAMETERS - 1]]).toEqual([2, 2]);
});

test("a file that is refused is not complete, and leaves nothing of an earlier one", async () => {
	const { id, put, state, start } = await newRun();
	expect((await put(file(1))).body).toMatchObject({ complete: true });
	expect((await put(file(2, NaN))).body.error).toMatchObject({ code: "weights_invalid" });
	expect(await state()).toMatchObject({ complete: false, rows: { stored: 1, total: 2 } });
	expect((await start()).body.error).toMatchObject({ code: "weights_incomplete", details: { rows_missing: 1 } });

	const long = new Uint8Array(file(3).length + 1);
	long.set(file(3));
	expect((await put(long)).body.error.code).toBe("weights_invalid");
	expect(await state()).toMatchObject({ complete: false });

	await put(file(4));
	await start();
	const weights = await operator.weights(id);
	expect([weights[0], weights[PARAMETERS - 1]]).toEqual([4, 4]);
	expect((await put(file(5))).body.error.code).toBe("run_state");
});

test("a header that is refused leaves the file that is there", async () => {
	const { put, state } = await newRun();
	await put(file(1));
	const other = { w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
	expect((await put(safetensors(other, new Float32Array(1)))).status).toBe(422);
	expect((await put(file(2), 0, file(2).length + 1)).status).toBe(422);
	expect(await state()).toMatchObject({ complete: true });
});

test("a range of a file that another has overtaken is refused", async () => {
	const { id, put, start } = await newRun();
	const { next_byte } = (await put(file(1).slice(0, HEAD + ROW), 0)).body;
	// The rest of the first file is under way when the second is begun and comes whole.
	const pieces = new TransformStream<Uint8Array, Uint8Array>();
	const writer = pieces.writable.getWriter();
	const rest = file(1).slice(next_byte);
	const late = operator.raw("PUT", `/v1/runs/${id}/weights`, {
		body: pieces.readable,
		headers: { "content-range": `bytes ${next_byte}-${file(1).length - 1}/${file(1).length}` },
	});
	await writer.write(rest.slice(0, 1_000));
	expect((await put(file(2))).body).toMatchObject({ complete: true });
	await writer.write(rest.slice(1_000));
	await writer.close();
	const refused = await late;
	expect(refused.status).toBe(409);
	expect(((await refused.json()) as Json).error).toMatchObject({
		code: "weights_range",
		details: { next_byte: file(2).length },
	});
	await start();
	const weights = await operator.weights(id);
	expect([weights[0], weights[PARAMETERS - 1]]).toEqual([2, 2]);
});

test("a range that brings no whole row is refused, with the least that would", async () => {
	const { put, state } = await newRun();
	expect((await put(file(1).slice(0, HEAD + ROW - 1), 0)).body.error).toMatchObject({
		code: "weights_range",
		details: { next_byte: 0, bytes_min: HEAD + ROW },
	});
	await put(file(1).slice(0, HEAD + ROW), 0);
	const { next_byte } = await state();
	expect((await put(file(1).slice(next_byte, next_byte + ROW - 1), next_byte)).body.error).toMatchObject({
		code: "weights_range",
		details: { next_byte, bytes_min: ROW },
	});
	expect((await put(file(1).slice(next_byte), next_byte)).body).toMatchObject({ complete: true });
});
