import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const SPECIFICATION = { flush: { when: "count", count: 1 } };
const shard = (run: string) => env.SHARD.getByName(`${run}/0`);
const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What a run leaves that dies when it has sealed an update and not decided. */
async function sealed(): Promise<{ run: string; client: Awaited<ReturnType<TestOperator["join"]>>; update: string }> {
	const run = await operator.startRun(SPECIFICATION, Float32Array.of(0));
	const client = await operator.join(run);
	const { update } = await client.task();
	const [digest] = await client.putParts(update, Float32Array.of(4));
	expect(await shard(run).seal(update, "f32", [[0, digest!]])).toMatchObject({ ok: true });
	await evictDurableObject(env.RUN.getByName(run));
	return { run, client, update };
}

describe("a commit that broke off before it was decided", () => {
	test("does not keep its client from sending other parts", async () => {
		const { run, client, update } = await sealed();
		const parts = await client.putParts(update, Float32Array.of(3));
		expect((await client.commit(update, parts)).body).toMatchObject({ state: "pending", norm: 3 });
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([3]);
	});

	test("leaves nothing in the sum of an update that comes in another encoding", async () => {
		const { run, client, update } = await sealed();
		const parts = await client.putParts(update, Float32Array.of(3), "f16");
		expect((await client.commit(update, parts, { encoding: "f16" })).body).toMatchObject({ state: "pending", norm: 3 });
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([3]);
	});

	test("of an update that is decided no part is replaced", async () => {
		const run = await operator.startRun({ flush: { when: "count", count: 2 } }, Float32Array.of(0));
		const client = await operator.join(run);
		const { body } = await client.contribute(Float32Array.of(1));
		// As an isolate does that still takes the task for open.
		const reopened = await env.RUN.getByName(run).reopen(client.id, body.id);
		expect(reopened).toMatchObject({ ok: false, error: { code: "update_closed" } });
		const stranger = await env.RUN.getByName(run).reopen("cl_other", body.id);
		expect(stranger).toMatchObject({ ok: false, error: { code: "update_not_found" } });
		expect(await shard(run).parts(body.id)).toMatchObject([{ sealed: true }]);
	});
});

describe("a task that lapsed, and was released", () => {
	const lapsing = { ...SPECIFICATION, task_seconds: 0.4 };

	test("loses nothing that comes once it is given again to a release that is late", async () => {
		const run = await operator.startRun(lapsing, Float32Array.of(0));
		const client = await operator.join(run);
		const { update } = await client.task();
		await client.putParts(update, Float32Array.of(5));
		await vi.waitFor(async () => expect(await shard(run).parts(update)).toEqual([]), 5_000);
		expect((await client.task("?wait=5")).update).toBe(update);
		const parts = await client.putParts(update, Float32Array.of(2));
		await shard(run).release([update], 1);
		expect((await client.commit(update, parts)).body).toMatchObject({ state: "pending" });
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([2]);
	});

	test("is not given again before every shard has forgotten what came for it", async () => {
		const run = await operator.startRun(lapsing, Float32Array.of(0));
		const client = await operator.join(run);
		const { update } = await client.task();
		await later(450);
		const object = env.RUN.getByName(run);
		// A shard was out of reach, and is tried again later.
		await runInDurableObject<DurableObject, void>(object, async (_, { storage }) => {
			storage.sql.exec("UPDATE tasks SET released = 1");
			storage.sql.exec("INSERT OR REPLACE INTO releases (update_id) VALUES (?)", update);
			await storage.deleteAlarm();
		});
		expect((await client.call("GET", "/task")).body).toMatchObject({
			task: null,
			reason: "staging_full",
			retry_at: expect.any(Number),
		});
		const waiting = client.task("?wait=20");
		await later(100);
		await runInDurableObject<DurableObject, void>(object, (_, { storage }) => storage.setAlarm(Date.now()));
		expect(await waiting).toMatchObject({ update });
	});
});
