import { env, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Shard } from "../../durable-objects/shard.ts";
import type { TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});
afterEach(() => {
	vi.restoreAllMocks();
});

const count = (count: number, more: object = {}) => ({ flush: { when: "count", count }, ...more });
const runOf = (run: string) => env.RUN.getByName(run);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const show = async (run: string) => (await operator.call("GET", `/v1/runs/${run}`)).body;
const updateOf = async (run: string, update: string) =>
	(await operator.call("GET", `/v1/runs/${run}/updates/${update}`)).body;
const one = Float32Array.of(1);

/** The shards make nothing until they are let. */
async function holdShards(run: string): Promise<{ letGo(): void }> {
	const held = await runInDurableObject(env.SHARD.getByName(`${run}/0`), (shard) =>
		vi.spyOn(Object.getPrototypeOf(shard) as Shard, "make").mockResolvedValue({ state: "making", rowsLeft: 1 }),
	);
	return { letGo: () => held.mockRestore() };
}

const fail = (run: string): Promise<void> => runOf(run).shardMade(1, 1, 0, { state: "failed", fault: "not finite" });

function eventsOf(run: string, kind: string) {
	return runInDurableObject(runOf(run), (_, { storage }) =>
		storage.sql
			.exec<{ data: string }>("SELECT data FROM events WHERE kind = ?", kind)
			.toArray()
			.map(({ data }) => JSON.parse(data) as Record<string, unknown>),
	);
}

test("who was expelled while a version was being made does not count after it has failed", async () => {
	const run = await operator.startRun(count(2), Float32Array.of(0));
	const [bad, good, third] = [await operator.join(run), await operator.join(run), await operator.join(run)];
	const shards = await holdShards(run);
	const { update } = await bad.task();
	await bad.commit(update, await bad.putParts(update, Float32Array.of(9)));
	await good.contribute(one);
	await operator.call("DELETE", `/v1/runs/${run}/clients/${bad.id}`);
	await fail(run);
	expect(await updateOf(run, update)).toMatchObject({ state: "refused", reason: { code: "expelled" } });
	shards.letGo();
	await operator.call("POST", `/v1/runs/${run}/resume`);
	await third.contribute(Float32Array.of(3));
	await operator.untilVersion(run, 1);
	expect([...(await operator.weights(run))]).toEqual([2]);
});

test("expelling again sweeps what is pending again", async () => {
	const run = await operator.startRun(count(2), Float32Array.of(0));
	const bad = await operator.join(run);
	const { body } = await bad.contribute(one);
	await runInDurableObject(runOf(run), (_, { storage }) => {
		storage.sql.exec("UPDATE members SET state = 'expelled'");
	});
	expect((await operator.call("DELETE", `/v1/runs/${run}/clients/${bad.id}`)).body.state).toBe("expelled");
	expect(await updateOf(run, body.id)).toMatchObject({ state: "refused", reason: { code: "expelled" } });
});

test("a run that was finished while its last version was being made leaves nothing pending when that fails", async () => {
	const run = await operator.startRun(count(1), Float32Array.of(0));
	await holdShards(run);
	const { body } = await (await operator.join(run)).contribute(one);
	await operator.call("POST", `/v1/runs/${run}/finish`);
	await fail(run);
	expect(await updateOf(run, body.id)).toMatchObject({ state: "refused", reason: { code: "run_closed" } });
	expect(await show(run)).toMatchObject({ state: "finished", making: null, staged: 0 });
});

test("a frozen update is not lost to a refused one of its client", async () => {
	const run = await operator.startRun(count(1, { staleness_max: 1, task_seconds: 0.3 }), Float32Array.of(0));
	const shards = await holdShards(run);
	const client = await operator.join(run);
	const { body } = await client.contribute(Float32Array.of(5));
	const next = await client.task();
	await sleep(500);
	expect((await client.commit(next.update, ["0".repeat(64)])).body.state).toBe("refused");
	await fail(run);
	expect(await updateOf(run, body.id)).toMatchObject({ state: "pending", round: 2 });
	shards.letGo();
	await operator.call("POST", `/v1/runs/${run}/resume`);
	await operator.untilVersion(run, 1);
	expect([...(await operator.weights(run))]).toEqual([5]);
});

test.each(["before", "after"])(
	"of two updates of one client in a round the older goes, and is counted and told: %s",
	async (when) => {
		const run = await operator.startRun(count(2, { staleness_max: 1 }), Float32Array.of(0));
		const [client, other] = [await operator.join(run), await operator.join(run)];
		await holdShards(run);
		const { body: older } = await client.contribute(Float32Array.of(5));
		await other.contribute(one);
		const { update } = await client.task();
		const parts = await client.putParts(update, one);
		if (when === "after") await fail(run);
		expect((await client.commit(update, parts)).body.state).toBe("pending");
		if (when === "before") await fail(run);
		expect(await updateOf(run, older.id)).toMatchObject({ state: "refused", reason: { code: "round_closed" } });
		expect(await updateOf(run, update)).toMatchObject({ state: "pending", round: 2 });
		expect(await eventsOf(run, "update_refused")).toMatchObject([{ update: older.id, reason: "round_closed" }]);
		const { data } = (await operator.call("GET", `/v1/runs/${run}/participation`)).body;
		expect(data.map(({ refused }: { refused: number }) => refused).sort()).toEqual([0, 1]);
	},
);

test("an adaptive optimiser takes no update whose square would leave its numbers", async () => {
	const run = await operator.startRun(count(2, { server_optimiser: { name: "adam" } }), Float32Array.of(0));
	const [good, bad] = [await operator.join(run), await operator.join(run)];
	await good.contribute(one);
	const { update } = await bad.task();
	const parts = await bad.putParts(update, Float32Array.of(1e22));
	expect(await bad.commit(update, parts)).toMatchObject({
		status: 422,
		body: { error: { code: "norm_too_large", details: { limit: 1e15 } } },
	});
	expect((await bad.commit(update, await bad.putParts(update, Float32Array.of(1e14)))).body.state).toBe("pending");
	await operator.untilVersion(run, 1);
	expect(await show(run)).toMatchObject({ update_norm_max: 1e15 });
});

test("the event of a flush that failed names the update with the largest norm", async () => {
	const run = await operator.startRun(count(2), Float32Array.of(0));
	const [good, bad] = [await operator.join(run), await operator.join(run)];
	await holdShards(run);
	await good.contribute(one);
	const { body } = await bad.contribute(Float32Array.of(1e22));
	await fail(run);
	const largest = { update: body.id, client: bad.id, norm: body.norm };
	expect(await eventsOf(run, "flush_failed")).toMatchObject([{ round: 1, version: 1, largest }]);
});

test.each([0.25, 1.5])("%d examples are not taken", async (examples) => {
	const run = await operator.startRun(count(1), Float32Array.of(0));
	const client = await operator.join(run);
	const { update } = await client.task();
	const answer = await client.commit(update, await client.putParts(update, one), { examples });
	expect(answer).toMatchObject({ status: 422, body: { error: { code: "report_invalid", param: "examples" } } });
});
