import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import { encode } from "../../src/shared/federated/encode.ts";
import { ENCODINGS } from "../../src/shared/federated/encoding.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import type { Json, TestOperator } from "../support/federated-client.ts";
import type { RunPort } from "../../durable-objects/run.messages.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const one = (count: number): object => ({ flush: { when: "count", count } });
const shard = (run: string) => env.SHARD.getByName(`${run}/0`);
const inShard = <T>(run: string, look: (sql: SqlStorage) => T): Promise<T> =>
	runInDurableObject<DurableObject, T>(shard(run), (_, { storage }) => look(storage.sql));
const count = (run: string, sql: string): Promise<number> =>
	inShard(run, (storage) => storage.exec<{ n: number }>(sql).one().n);
async function failed(call: () => PromiseLike<unknown>): Promise<boolean> {
	try {
		await call();
		return false;
	} catch {
		return true;
	}
}
const hex = "0".repeat(64);

test("a call that comes after the deletion of a run fails, and brings nothing of the shard back", async () => {
	const run = await operator.startRun(one(1), new Float32Array(8));
	const place = { update: "up_1_x", part: 0, encoding: "f32", begin: 0, end: 8 } as const;
	await operator.call("DELETE", `/v1/runs/${run}`);
	const tables = "SELECT count(*) AS n FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'";
	const isGone = () => vi.waitFor(async () => expect(await count(run, tables)).toBe(0), 5_000);
	await isGone();
	for (const late of [
		() => shard(run).open(place, hex),
		() => shard(run).release([place.update], 1),
		() => shard(run).make(1, 1, { kind: "copy", from: 0 }),
		() => shard(run).keepOnly([0], 0),
	]) {
		await evictDurableObject(shard(run));
		expect(await failed(late)).toBe(true);
		await isGone();
	}
});

test("a call under which its run was deleted is answered that there is none", async () => {
	const run = await operator.startRun(one(1), new Float32Array(8));
	const client = await operator.join(run);
	const { update } = await client.task();
	// The isolate knows the task, and hears late of the deletion.
	await client.putPart(update, 0, encode("f32", new Float32Array(8)));
	await runInDurableObject<DurableObject, unknown>(env.RUN.getByName(run), (instance) =>
		(instance as unknown as RunPort).remove(),
	);
	await vi.waitFor(async () => expect(await env.RUN.getByName(run).facts()).toBeNull(), 5_000);
	await vi.waitFor(async () => expect(await failed(() => shard(run).parts(update))).toBe(true), 5_000);
	const late = await client.putPart(update, 0, encode("f32", new Float32Array(8).fill(1)));
	expect(late.status).toBe(404);
	expect(((await late.json()) as Json).error.code).toBe("run_not_found");
});

test("a copy has the optimiser state of what it copies, though an attempt at its number has failed before", async () => {
	const parameters = 6 * ROW_PARAMETERS;
	const optimiser = { name: "sgd", learning_rate: 1_000, momentum: 0.5 };
	const run = await operator.startRun({ ...one(1), server_optimiser: optimiser }, new Float32Array(parameters));
	const client = await operator.join(run);
	const update = new Float32Array(parameters).fill(1);
	update[parameters - 1] = 3e38;
	await runInDurableObject<DurableObject, void>(shard(run), (instance) => {
		// It is not told to drop what it has: the object is out of reach for a moment.
		Object.assign(instance, { drop: () => Promise.reject(new Error("unreachable")) });
	});
	await client.contribute(update);
	await vi.waitFor(async () => {
		expect((await operator.call("GET", `/v1/runs/${run}`)).body).toMatchObject({ pause_reason: "flush_failed" });
	}, 5_000);
	expect(await count(run, "SELECT count(*) AS n FROM optimiser_rows")).toBeGreaterThan(0);
	await operator.call("POST", `/v1/runs/${run}/rollback`, { version: 0 });
	await operator.untilVersion(run, 1);
	expect((await operator.raw("GET", `/v1/runs/${run}/versions/1/state/0?row=0`)).status).toBe(404);
});

test("a shard that could not be told that a version was given up is told later", async () => {
	const run = await operator.startRun(one(1), Float32Array.of(3e38));
	const client = await operator.join(run);
	await runInDurableObject<DurableObject, void>(shard(run), (instance) => {
		Object.assign(instance, { drop: () => Promise.reject(new Error("unreachable")) });
	});
	await client.contribute(Float32Array.of(3e38));
	await vi.waitFor(async () => {
		expect((await operator.call("GET", `/v1/runs/${run}`)).body).toMatchObject({ pause_reason: "flush_failed" });
	}, 5_000);
	await evictDurableObject(shard(run));
	const state = (sql: SqlStorage) => sql.exec("SELECT state FROM versions WHERE version = 1").one()["state"];
	await vi.waitFor(
		async () => {
			await runDurableObjectAlarm(env.RUN.getByName(run));
			expect(await inShard(run, state)).toBe("dropped");
		},
		{ timeout: 15_000, interval: 500 },
	);
}, 20_000);

test("of an update one upload of a part is under way, and one encoding is staged", async () => {
	const run = await operator.startRun(one(1), new Float32Array(2 * ROW_PARAMETERS));
	const client = await operator.join(run);
	const { update } = await client.task();
	const place = { update, part: 0, encoding: "f32", begin: 0, end: 2 * ROW_PARAMETERS } as const;
	const row = encode("f32", new Float32Array(ROW_PARAMETERS));
	const uploads: number[] = [];
	for (let i = 0; i < 5; i++) {
		const opened = await shard(run).open(place, hex);
		if (!("upload" in opened)) throw new Error("nothing is here yet");
		uploads.push(opened.upload);
		await shard(run).putRows(opened.upload, 0, row);
	}
	expect(await shard(run).putRows(uploads[3]!, 1, row)).toMatchObject({ ok: false, fault: "upload_gone" });
	expect(await count(run, "SELECT count(*) AS n FROM uploads WHERE state = 'arriving'")).toBe(1);
	const rows = "SELECT count(*) AS n FROM staged_rows";
	await vi.waitFor(async () => expect(await count(run, rows)).toBe(1), 5_000);
	for (const encoding of ENCODINGS) {
		await client.putParts(update, new Float32Array(2 * ROW_PARAMETERS).fill(1), encoding);
	}
	const { body } = await client.call("GET", `/updates/${update}?encoding=int8`);
	expect(body.parts.missing).toEqual([]);
	await vi.waitFor(async () => expect(await count(run, rows)).toBe(2), 5_000);
});

test("parts that came late for an update that is not open are given up; those of an open one stay", async () => {
	const run = await operator.startRun(one(2), new Float32Array(8));
	const client = await operator.join(run);
	const { update } = await client.task();
	const values = encode("f32", new Float32Array(8));
	await client.putPart(update, 0, values);
	const late = { update: "up_1_cl_gone", part: 0, encoding: "f32", begin: 0, end: 8 } as const;
	const opened = await shard(run).open(late, hex);
	if (!("upload" in opened)) throw new Error("nothing is here yet");
	await shard(run).putRows(opened.upload, 0, values);
	await shard(run).close(opened.upload, hex);
	const staged = (sql: SqlStorage) =>
		sql.exec("SELECT update_id FROM uploads WHERE state = 'staged' ORDER BY update_id").toArray();
	await vi.waitFor(async () => expect(await inShard(run, staged)).toHaveLength(2), 5_000);
	await inShard(run, (sql) => void sql.exec("UPDATE uploads SET at = at - 4000"));
	await runInDurableObject<DurableObject, void>(shard(run), (_, { storage }) => storage.setAlarm(Date.now()));
	await vi.waitFor(async () => expect(await inShard(run, staged)).toEqual([{ update_id: update }]), 5_000);
});

test("a page of the audit ends where it would become too long", async () => {
	const run = await operator.startRun({ ...one(1), staleness_max: 5 }, Float32Array.of(0));
	const client = await operator.join(run);
	for (let version = 1; version <= 5; version++) {
		await client.contribute(Float32Array.of(1));
		await operator.untilVersion(run, version);
	}
	await runInDurableObject<DurableObject, void>(env.RUN.getByName(run), (_, { storage }) => {
		const [{ plan }] = storage.sql.exec<{ plan: string }>("SELECT plan FROM versions WHERE version = 1").toArray() as [
			{ plan: string },
		];
		const long = JSON.parse(plan) as { updates: Json[] };
		// As of some ten thousand clients.
		const updates = Array.from({ length: 3_000 }, (_, i) => ({ ...long.updates[0], id: `${"u".repeat(400)}${i}` }));
		storage.sql.exec("UPDATE versions SET plan = ? WHERE version > 0", JSON.stringify({ ...long, updates }));
	});
	const seen: number[] = [];
	for (let pages = 0, after = ""; ; pages++) {
		const text = await (await operator.raw("GET", `/v1/runs/${run}/audit?limit=50${after}`)).text();
		expect(text.length).toBeLessThan(6 * 2 ** 20);
		const { data, has_more }: Json = JSON.parse(text);
		seen.push(...data.map(({ version }: Json) => version));
		if (!has_more) {
			expect(pages).toBeGreaterThan(0);
			break;
		}
		after = `&after=${seen.at(-1)}`;
	}
	expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
});
