import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import { encode } from "../../src/shared/federated/encode.ts";
import { ROW_BYTES, ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { SQLITE_ROW_BYTES_MAX } from "../../src/shared/limits.ts";
import { safetensors, type Json, type TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

/** Three rows, the last one short, in two shards. */
const PARAMETERS = 2 * ROW_PARAMETERS + 1_000;
const SPECIFICATION = { flush: { when: "count", count: 1 }, shard_parameters: 2 * ROW_PARAMETERS };
const values = (seed: number) => Float32Array.from({ length: PARAMETERS }, (_, i) => Math.fround(Math.sin(i + seed)));

const shard = (run: string, number: number) => env.SHARD.getByName(`${run}/${number}`);
const count = (run: string, number: number, sql: string): Promise<number> =>
	runInDurableObject(shard(run, number), (_, state) => state.storage.sql.exec<{ n: number }>(sql).one().n);

/** The longest blob or text of every column of every table of an object, and the longest row. */
function longest(state: DurableObjectState): { readonly value: number; readonly row: number } {
	const { sql } = state.storage;
	const tables = sql
		.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
		.toArray()
		.filter(({ name }) => !name.startsWith("sqlite_"));
	let [value, row] = [0, 0];
	for (const { name } of tables) {
		const columns = sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('${name}')`).toArray();
		const lengths = columns.map((column) => `coalesce(length(CAST("${column.name}" AS BLOB)), 0)`);
		const { n } = sql.exec<{ n: number | null }>(`SELECT max(max(${lengths.join(", ")}, 0)) AS n FROM "${name}"`).one();
		const { all } = sql
			.exec<{ all: number | null }>(`SELECT max(${lengths.join(" + ")}) AS "all" FROM "${name}"`)
			.one();
		value = Math.max(value, n ?? 0);
		row = Math.max(row, all ?? 0);
	}
	return { value, row };
}

test("no row of a run or shard is longer than 1 MiB and its small columns, half of what the platform allows", async () => {
	const run = await operator.startRun(
		{ ...SPECIFICATION, server_optimiser: { name: "adam" }, retention: { updates: true } },
		values(0),
	);
	const client = await operator.join(run);
	for (const [version, encoding] of [
		[1, "f32"],
		[2, "int8"],
	] as const) {
		await client.contribute(values(version), { encoding });
		await operator.untilVersion(run, version);
	}
	for (const object of [shard(run, 0), shard(run, 1), env.RUN.getByName(run)]) {
		const found = await runInDurableObject<DurableObject, ReturnType<typeof longest>>(object, (_, state) =>
			longest(state),
		);
		expect(found.value).toBeLessThanOrEqual(ROW_BYTES);
		expect(found.row).toBeLessThan(ROW_BYTES + 1_000);
		expect(found.row).toBeLessThan(SQLITE_ROW_BYTES_MAX);
	}
	expect(await count(run, 0, "SELECT count(*) AS n FROM staged_rows")).toBe(4);
	expect(await count(run, 0, "SELECT max(length(bytes)) AS n FROM staged_rows")).toBe(ROW_BYTES);
});

test("a manifest of ten thousand long names is kept in rows that the platform takes", async () => {
	const model = Object.fromEntries(
		Array.from({ length: 10_000 }, (_, i) => [
			`${"layer.".repeat(40)}${i}`,
			{ dtype: "F32", shape: [1], data_offsets: [4 * i, 4 * i + 4] },
		]),
	);
	const { body } = await operator.call("POST", "/v1/runs", { ...SPECIFICATION, model });
	const found = await runInDurableObject(env.RUN.getByName(body.id), (_, state) => longest(state));
	expect(found.row).toBeLessThan(SQLITE_ROW_BYTES_MAX / 2);
	await evictDurableObject(env.RUN.getByName(body.id));
	const { tensors } = (await operator.call("GET", `/v1/runs/${body.id}/manifest`)).body;
	expect(tensors).toHaveLength(10_000);
	expect(tensors[9_999].name).toBe(`${"layer.".repeat(40)}9999`);
});

test("old versions, summed updates and given up parts are collected; the bases of open tasks stay", async () => {
	const run = await operator.startRun({ ...SPECIFICATION, staleness_max: 100, retention: { versions: 2 } }, values(0));
	const [worker, slow] = [await operator.join(run), await operator.join(run)];
	const open = await slow.task();
	await slow.putPart(open.update, 0, encode("f32", values(9).subarray(0, 2 * ROW_PARAMETERS)));
	for (let version = 1; version <= 4; version++) {
		await worker.contribute(values(version));
		await operator.untilVersion(run, version);
	}
	const kept = async (): Promise<number[]> => {
		const { data } = (await operator.call("GET", `/v1/runs/${run}/versions`)).body;
		return data.filter(({ kept }: Json) => kept).map(({ version }: Json) => version);
	};
	expect(await kept()).toEqual([4, 3, 0]);
	const rows = (n: number) => () =>
		count(run, 0, "SELECT count(*) AS n FROM weight_rows").then((found) => expect(found).toBe(n));
	await vi.waitFor(rows(3 * 2), 5_000);
	// The part of the open task, and none of what was summed.
	await vi.waitFor(async () => expect(await count(run, 0, "SELECT count(*) AS n FROM staged_rows")).toBe(2), 5_000);
	expect((await operator.call("GET", `/v1/runs/${run}/versions/1`)).body.error.code).toBe("version_gone");
	expect((await operator.call("GET", `/v1/runs/${run}/versions/5`)).body.error.code).toBe("version_not_found");

	await operator.call("DELETE", `/v1/runs/${run}/clients/${slow.id}`);
	await worker.contribute(values(5));
	await operator.untilVersion(run, 5);
	expect(await kept()).toEqual([5, 4]);
	await vi.waitFor(async () => expect(await count(run, 0, "SELECT count(*) AS n FROM staged_rows")).toBe(0), 5_000);
	await vi.waitFor(rows(2 * 2), 5_000);
});

test("a deleted run leaves nothing behind, in no object", async () => {
	const run = await operator.startRun(SPECIFICATION, values(0));
	expect((await operator.call("DELETE", `/v1/runs/${run}`)).status).toBe(202);
	expect((await operator.call("GET", `/v1/runs/${run}`)).body.error.code).toBe("run_not_found");
	const tables = (_: unknown, state: DurableObjectState): number =>
		state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'migrations'").toArray().length;
	await vi.waitFor(async () => expect(await runInDurableObject(env.RUN.getByName(run), tables)).toBe(0), 5_000);
	for (const number of [0, 1]) {
		await vi.waitFor(async () => {
			const rows = await runInDurableObject(shard(run, number), (_, state) => {
				const { sql } = state.storage;
				const found = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'weight_rows'").toArray();
				return found.length === 0 ? 0 : sql.exec<{ n: number }>("SELECT count(*) AS n FROM weight_rows").one().n;
			});
			expect(rows).toBe(0);
		}, 5_000);
	}
	expect((await operator.call("GET", `/v1/runs/${run}/versions/0`)).body.error.code).toBe("run_not_found");
});

test("a run and its shards that are evicted at any step go on where they were", async () => {
	const run = await operator.startRun({ ...SPECIFICATION, flush: { when: "count", count: 2 } }, values(0));
	const evict = async (): Promise<void> => {
		for (const object of [env.RUN.getByName(run), shard(run, 0), shard(run, 1)]) {
			// Only one that runs can be evicted.
			await runInDurableObject<DurableObject, void>(object, () => {});
			await evictDurableObject(object);
		}
	};
	const [a, b] = [await operator.join(run), await operator.join(run)];
	for (const [client, seed] of [
		[a, 1],
		[b, 2],
	] as const) {
		await evict();
		const task = await client.task("?wait=1");
		await evict();
		const parts = await client.putParts(task.update, values(seed));
		await evict();
		expect((await client.commit(task.update, parts)).status).toBe(200);
	}
	await evict();
	for (const object of [env.RUN.getByName(run), shard(run, 0), shard(run, 1)]) await runDurableObjectAlarm(object);
	await operator.untilVersion(run, 1);
	const [x, y] = [values(1), values(2)];
	const expected = values(0).map((value, i) => Math.fround(value + (0.5 * x[i]! + 0.5 * y[i]!)));
	expect(await operator.weights(run)).toEqual(expected);
});

test("a version that would not be finite is given up: the run pauses, unharmed, and goes on without the client", async () => {
	const run = await operator.startRun(
		{ ...SPECIFICATION, flush: { when: "count", count: 2 } },
		values(0).fill(3e38, 5, 6),
	);
	const [bad, good, other] = [await operator.join(run), await operator.join(run), await operator.join(run)];
	const update = new Float32Array(PARAMETERS);
	update[5] = 3e38;
	const first = await bad.contribute(update);
	expect(first.body.state).toBe("pending");
	await good.contribute(values(1).fill(0));
	await vi.waitFor(async () => {
		const { body } = await operator.call("GET", `/v1/runs/${run}`);
		expect(body).toMatchObject({ state: "paused", pause_reason: "flush_failed", version: 0, making: null });
	}, 5_000);
	expect((await operator.call("GET", `/v1/runs/${run}/updates/${first.body.id}`)).body.state).toBe("pending");
	await operator.call("DELETE", `/v1/runs/${run}/clients/${bad.id}`);
	await operator.call("POST", `/v1/runs/${run}/resume`);
	const last = values(2).fill(0);
	last[0] = 2;
	await other.contribute(last);
	await operator.untilVersion(run, 1);
	expect((await operator.weights(run))[0]).toBe(1);
});

test("the safetensors of weights that were never sent whole start nothing", async () => {
	const model = { w: { dtype: "F32", shape: [PARAMETERS], data_offsets: [0, 4 * PARAMETERS] } };
	const { id } = (await operator.call("POST", "/v1/runs", { ...SPECIFICATION, model })).body;
	const cut = safetensors(model, values(0)).slice(0, 2_100_000);
	const put = await operator.raw("PUT", `/v1/runs/${id}/weights`, { body: cut });
	expect(await put.json()).toMatchObject({ complete: false, rows: { stored: 2, total: 3 } });
	expect((await operator.call("POST", `/v1/runs/${id}/start`)).body.error).toMatchObject({
		code: "weights_incomplete",
		details: { rows_missing: 1 },
	});
	expect((await operator.call("GET", `/v1/runs/${id}/versions/0`)).body.error.code).toBe("version_not_found");
});
