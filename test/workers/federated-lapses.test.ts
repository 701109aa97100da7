import { env, runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, test, vi } from "vitest";
import type { Shard } from "../../durable-objects/shard.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import type { TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const runOf = (run: string) => env.RUN.getByName(run);
const shardOf = (run: string) => env.SHARD.getByName(`${run}/0`);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const show = async (run: string) => (await operator.call("GET", `/v1/runs/${run}`)).body;
const one = Float32Array.of(1);

function rowsOf(run: string, sql: string) {
	return runInDurableObject(runOf(run), (_, { storage }) => storage.sql.exec(sql).toArray());
}

function uploadsOf(run: string) {
	return runInDurableObject(shardOf(run), (_, { storage }) =>
		storage.sql.exec("SELECT update_id FROM uploads").toArray(),
	);
}

test("in a pause the clocks of tasks stand still, and nothing of theirs is forgotten", async () => {
	const flush = { when: "count", count: 2 };
	const run = await operator.startRun({ flush, task_seconds: 1 }, Float32Array.of(0));
	const [a, b] = [await operator.join(run), await operator.join(run)];
	const [task, other] = [await a.task(), await b.task()];
	const parts = await a.putParts(task.update, one);
	const others = await b.putParts(other.update, one);
	await operator.call("POST", `/v1/runs/${run}/pause`);
	await sleep(1_500);
	expect(await uploadsOf(run)).toHaveLength(2);
	expect((await a.commit(task.update, parts)).body.state).toBe("pending");
	await operator.call("POST", `/v1/runs/${run}/resume`);
	expect((await b.task()).update).toBe(other.update);
	expect((await b.commit(other.update, others)).body.state).toBe("pending");
	await operator.untilVersion(run, 1);
});

test("after a pause a task has as long as it had before", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 2 }, task_seconds: 1 }, Float32Array.of(0));
	const a = await operator.join(run);
	const task = await a.task();
	const parts = await a.putParts(task.update, one);
	await operator.call("POST", `/v1/runs/${run}/pause`);
	await sleep(500);
	await operator.call("POST", `/v1/runs/${run}/resume`);
	const [{ deadline }] = (await rowsOf(run, "SELECT deadline FROM tasks")) as [{ deadline: number }];
	expect(deadline - task.deadline).toBeGreaterThan(0.45);
	expect(deadline - task.deadline).toBeLessThan(3);
	await sleep((deadline - Date.now() / 1_000) * 1_000 + 100);
	expect((await a.commit(task.update, parts)).body).toMatchObject({ state: "refused", reason: { code: "late" } });
});

test("no more updates are staged than the specification says, though tasks lapse while their round goes on", async () => {
	const specification = {
		flush: { when: "interval", seconds: 600 },
		task_seconds: 0.3,
		limits: { updates_staged_max: 2 },
	};
	const run = await operator.startRun(specification, Float32Array.of(0));
	const tasks = [];
	for (let wave = 0; wave < 2; wave++) {
		for (let i = 0; i < 2; i++) {
			const client = await operator.join(run);
			const { task, reason } = (await client.call("GET", "/task")).body;
			if (task) tasks.push({ client, task });
			else expect(reason).toBe("staging_full");
		}
		await sleep(500);
	}
	for (const { client, task } of tasks) {
		await client.commit(task.update, await client.putParts(task.update, one));
	}
	expect(await show(run)).toMatchObject({ pending: 2, staged: 2, staged_max: 2 });
});

test("a lapsed task gets no place back that another has", async () => {
	const specification = {
		flush: { when: "count", count: 2 },
		task_seconds: 0.3,
		limits: { updates_staged_max: 2 },
	};
	const run = await operator.startRun(specification, Float32Array.of(0));
	const [slow, a, b] = [await operator.join(run), await operator.join(run), await operator.join(run)];
	await slow.task();
	await expect.poll(async () => (await show(run)).staged).toBe(0);
	await Promise.all([a.task(), b.task()]);
	expect((await slow.call("GET", "/task")).body).toMatchObject({ task: null, reason: "staging_full" });
});

test("parts of a task whose time is over are refused with the decision, and leave nothing in the shards", async () => {
	const flush = { when: "count", count: 2 };
	const run = await operator.startRun({ flush, task_seconds: 0.3 }, Float32Array.of(0));
	const a = await operator.join(run);
	const { update } = await a.task();
	await sleep(500);
	const put = await a.putPart(update, 0, encode("f32", one));
	expect(put.status).toBe(409);
	expect(await put.json()).toMatchObject({
		error: { code: "update_closed", details: { update: { state: "refused", reason: { code: "late" } } } },
	});
	expect(await uploadsOf(run)).toEqual([]);
	expect((await a.commit(update, ["0".repeat(64)])).body).toMatchObject({ state: "refused", reason: { code: "late" } });
});

test("an update that is refused at once, or left for another, is soon forgotten by the shards", async () => {
	const flush = { when: "count", count: 1 };
	const run = await operator.startRun({ flush, task_seconds: 0.4 }, Float32Array.of(0));
	const [a, b, c] = [await operator.join(run), await operator.join(run), await operator.join(run)];
	const task = await a.task();
	const parts = await a.putParts(task.update, one);
	const left = await b.task();
	await b.putParts(left.update, one);
	await c.contribute(one);
	await operator.untilVersion(run, 1);
	expect((await a.commit(task.update, parts)).body.state).toBe("refused");
	await b.task("?wait=5");
	await expect.poll(() => rowsOf(run, "SELECT * FROM releases"), { timeout: 5_000 }).toEqual([]);
	await expect.poll(() => uploadsOf(run), { timeout: 5_000 }).toEqual([]);
});

test("a refusal alone sets the alarm", async () => {
	const flush = { when: "count", count: 2 };
	const run = await operator.startRun({ flush, task_seconds: 0.2 }, Float32Array.of(0));
	const a = await operator.join(run);
	const { update } = await a.task();
	const parts = await a.putParts(update, one);
	await runInDurableObject(runOf(run), (_, { storage }) => storage.deleteAlarm());
	await sleep(300);
	expect((await a.commit(update, parts)).body.state).toBe("refused");
	await expect.poll(() => uploadsOf(run), { timeout: 5_000 }).toEqual([]);
});

test("an alarm that was lost is set again by who asks for work", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, Float32Array.of(0));
	const [a, b] = [await operator.join(run), await operator.join(run)];
	const held = await runInDurableObject(shardOf(run), (shard) =>
		vi.spyOn(Object.getPrototypeOf(shard) as Shard, "make").mockResolvedValue({ state: "making", rowsLeft: 1 }),
	);
	await a.contribute(one);
	await expect.poll(() => held.mock.calls.length).toBe(1);
	held.mockRestore();
	await runInDurableObject(runOf(run), (_, { storage }) => storage.deleteAlarm());
	await b.call("GET", "/task");
	await operator.untilVersion(run, 1);
});
