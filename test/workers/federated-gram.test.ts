import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import { ShardGramStore } from "../../durable-objects/shard.gram.store.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import type { Json, TestClient, TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

/** Three rows, the last one short, in two shards. */
const PARAMETERS = 2 * ROW_PARAMETERS + 1_000;
const SPECIFICATION = {
	flush: { when: "count", count: 5 },
	rule: { name: "multikrum", f: 1, m: 2 },
	shard_parameters: 2 * ROW_PARAMETERS,
};
/** Two that are close, one far from all, and two between. */
const SCALES = [1, 1.01, -50, 2, 3];
const update = (scale: number) => Float32Array.from({ length: PARAMETERS }, (_, i) => scale * Math.sin(i));
const shard = (run: string, number: number) => env.SHARD.getByName(`${run}/${number}`);

async function start(): Promise<{ run: string; clients: TestClient[] }> {
	const run = await operator.startRun(SPECIFICATION, new Float32Array(PARAMETERS));
	const clients = await Promise.all(SCALES.map(() => operator.join(run)));
	return { run, clients };
}

const coefficients = async (run: string, clients: readonly TestClient[]): Promise<number[]> => {
	const { data } = (await operator.call("GET", `/v1/runs/${run}/audit`)).body;
	const { updates } = data.at(-1).made;
	return clients.map(({ id }) => updates.find((each: Json) => each.id.endsWith(id)).coefficient);
};

test("a rule that sees inner products gets those of the whole model, and its coefficients make the version", async () => {
	const { run, clients } = await start();
	for (const [i, client] of clients.entries())
		await client.contribute(update(SCALES[i]!), { examples: i === 0 ? 3 : 1 });
	await operator.untilVersion(run, 1);
	expect(await coefficients(run, clients)).toEqual([0.75, 0.25, 0, 0, 0]);
	const [a, b] = [update(1), update(1.01)];
	const weights = await operator.weights(run);
	// The order of the sum is that of the ids, which are drawn.
	expect(weights.every((value, i) => Math.abs(value - (0.75 * a[i]! + 0.25 * b[i]!)) < 1e-6)).toBe(true);
	const left = await runInDurableObject<DurableObject, number>(env.RUN.getByName(run), (_, { storage }) => {
		const sql = "SELECT (SELECT count(*) FROM grams) + (SELECT count(*) FROM gram_shards) AS n";
		return storage.sql.exec<{ n: number }>(sql).one().n;
	});
	expect(left).toBe(0);
});

test("a run and shards that are evicted while inner products are summed go on where they were", async () => {
	const { run, clients } = await start();
	const objects = [env.RUN.getByName(run), shard(run, 0), shard(run, 1)];
	const evict = async (): Promise<void> => {
		for (const object of objects) {
			await runInDurableObject<DurableObject, void>(object, () => {});
			await evictDurableObject(object);
		}
	};
	for (const [i, client] of clients.entries()) await client.contribute(update(SCALES[i]!));
	for (let i = 0; i < 4; i++) {
		await evict();
		await runDurableObjectAlarm(objects[i % objects.length]!);
	}
	await operator.untilVersion(run, 1);
	expect(await coefficients(run, clients)).toEqual([0.5, 0.5, 0, 0, 0]);
});

test("updates whose bytes are lost make no inner products: the run pauses, and goes on with others", async () => {
	const { run, clients } = await start();
	for (const client of clients.slice(0, 4)) await client.contribute(update(1));
	await runInDurableObject(shard(run, 1), (_, { storage }) => {
		storage.sql.exec("DELETE FROM staged_rows WHERE id = (SELECT max(id) FROM staged_rows)");
	});
	await clients[4]!.contribute(update(2));
	await vi.waitFor(async () => {
		const { body } = await operator.call("GET", `/v1/runs/${run}`);
		expect(body).toMatchObject({ state: "paused", pause_reason: "flush_failed", version: 0, making: null });
	}, 5_000);
	// The fourth was the last to be staged whole.
	await operator.call("DELETE", `/v1/runs/${run}/clients/${clients[3]!.id}`);
	await operator.call("POST", `/v1/runs/${run}/resume`);
	const other = await operator.join(run);
	await other.contribute(update(1));
	await operator.untilVersion(run, 1);
	expect(await coefficients(run, [clients[4]!])).toEqual([0]);
});

test("a shard's sums and the count of rows in them change together, once, and an attempt that ended does not begin again", async () => {
	const { run } = await start();
	await runInDurableObject(shard(run, 0), (_, { storage }) => {
		const grams = new ShardGramStore(storage);
		grams.begin(1, 3, [{ id: "up_1_a", encoding: "f32" }]);
		const first = grams.summing()!;
		first.products[0] = 5;
		grams.put(first, 1, 2);
		// Whoever has begun from the same count comes too late.
		grams.put({ ...first, products: Float64Array.of(9) }, 2, 2);
		expect(grams.progress(1, 3, 2)).toEqual({ state: "summing", rowsLeft: 1 });
		const second = grams.summing()!;
		expect(second).toMatchObject({ rowsSummed: 1, products: Float64Array.of(5) });
		second.products[0]! += 2;
		grams.put(second, 2, 2);
		grams.begin(1, 3, [{ id: "up_1_a", encoding: "f32" }]);
		expect(grams.progress(1, 3, 2)).toEqual({ state: "summed", products: Float64Array.of(7) });
		grams.drop(1, 3);
		grams.begin(1, 3, [{ id: "up_1_a", encoding: "f32" }]);
		expect(grams.progress(1, 3, 2)).toEqual({ state: "unknown" });
		expect(grams.summing()).toBeNull();
		grams.begin(1, 4, [{ id: "up_1_b", encoding: "f32" }]);
		expect(grams.progress(1, 4, 2)).toEqual({ state: "summing", rowsLeft: 2 });
	});
});
