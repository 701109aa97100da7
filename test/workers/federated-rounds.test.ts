import { beforeAll, describe, expect, test } from "vitest";
import type { TestClient, TestOperator } from "../support/federated-client.ts";
import { updateId } from "../../src/shared/federated/run.ts";
import { newOperator } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const count = (count: number, more: object = {}) => ({ flush: { when: "count", count, ...more } });
const clients = (run: string, n: number): Promise<TestClient[]> =>
	Promise.all(Array.from({ length: n }, () => operator.join(run)));
const show = async (run: string) => (await operator.call("GET", `/v1/runs/${run}`)).body;

describe("synchronous rounds", () => {
	test("the weighted mean of a round is added to the weights, and everybody is told so for ever", async () => {
		const run = await operator.startRun(count(2), Float32Array.of(1, 2, 3));
		expect([...(await operator.weights(run))]).toEqual([1, 2, 3]);
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const first = await a.contribute(Float32Array.of(1, 1, 1), { examples: 3 });
		expect(first).toMatchObject({ status: 200, body: { state: "pending", round: 1, weight: 3 } });
		await b.contribute(Float32Array.of(-1, 0, 1), { examples: 1 });
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([1.5, 2.75, 4]);
		const decided = await a.call("GET", `/updates/${first.body.id}`);
		expect(decided.body).toMatchObject({ state: "accepted", version: 1, round: 1 });
		const again = await a.commit(first.body.id, ["0".repeat(64)], { examples: 9 });
		expect(again.body).toEqual(decided.body);
	});

	test("a task is the same until it is answered; then its client waits for the next round", async () => {
		const run = await operator.startRun(count(2), Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const task = await a.task();
		expect(await a.task()).toEqual(task);
		expect(task).toMatchObject({ round: 1, base: { version: 0 }, update: updateId(1, a.id) });
		await a.contribute(Float32Array.of(1));
		expect((await a.call("GET", "/task")).body).toMatchObject({ task: null, reason: "contributed" });
		const waiting = a.task("?wait=20");
		await b.contribute(Float32Array.of(1));
		expect(await waiting).toMatchObject({ round: 2, base: { version: 1 } });
	});

	test("an update for a round that was flushed is refused, and stays so", async () => {
		const run = await operator.startRun(count(1), Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const task = await b.task();
		const parts = await b.putParts(task.update, Float32Array.of(5));
		await a.contribute(Float32Array.of(1));
		await operator.untilVersion(run, 1);
		const late = await b.commit(task.update, parts);
		expect(late).toMatchObject({ status: 200, body: { state: "refused", reason: { code: "round_closed" } } });
		expect((await b.commit(task.update, parts)).body).toEqual(late.body);
		expect([...(await operator.weights(run))]).toEqual([1]);
	});

	test("at the deadline the round is extended once, and then the run pauses; resumed, it goes on with what is pending", async () => {
		const run = await operator.startRun(count(3, { count_min: 2, deadline_seconds: 0.4 }), Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		await a.contribute(Float32Array.of(2));
		const paused = await until(async () => {
			const shown = await show(run);
			return shown.state === "paused" && shown;
		});
		expect(paused).toMatchObject({ pause_reason: "too_few_updates", version: 0, pending: 1 });
		expect((await b.call("GET", "/task")).body).toMatchObject({ task: null, reason: "paused" });
		expect((await operator.call("GET", `/v1/runs/${run}/rounds`)).body.data[0]).toMatchObject({ extended: true });
		expect((await operator.call("POST", `/v1/runs/${run}/resume`)).status).toBe(200);
		await b.contribute(Float32Array.of(4));
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([3]);
	});

	test("a client that is expelled from the round in progress leaves no trace in its version", async () => {
		const run = await operator.startRun(count(2), Float32Array.of(0));
		const [a, b, c] = (await clients(run, 3)) as [TestClient, TestClient, TestClient];
		const bad = await b.contribute(Float32Array.of(1e6));
		expect(await operator.call("DELETE", `/v1/runs/${run}/clients/${b.id}`)).toMatchObject({
			status: 200,
			body: { state: "expelled" },
		});
		await a.contribute(Float32Array.of(1));
		await c.contribute(Float32Array.of(3));
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([2]);
		const told = await operator.call("GET", `/v1/runs/${run}/updates/${bad.body.id}`);
		expect(told.body).toMatchObject({ state: "refused", reason: { code: "expelled" } });
		expect(await b.call("GET", "/task")).toMatchObject({ status: 403, body: { error: { code: "client_expelled" } } });
	});

	test("a run is finished with the version that its specification names", async () => {
		const run = await operator.startRun({ ...count(1), versions_max: 1 }, Float32Array.of(0));
		const [a] = (await clients(run, 1)) as [TestClient];
		await a.contribute(Float32Array.of(1));
		expect(await operator.untilVersion(run, 1)).toMatchObject({ state: "finished", version: 1 });
		expect((await a.call("GET", "/task")).body).toMatchObject({ task: null, reason: "run_closed" });
		expect((await operator.call("POST", `/v1/runs/${run}/resume`)).body.error.code).toBe("run_state");
	});
});

describe("who was chosen and does not answer", () => {
	test("makes room for one who waits, when its time is over", async () => {
		const selection = { by: "count", count: 1 };
		const run = await operator.startRun({ ...count(1), selection, task_seconds: 0.5 }, Float32Array.of(0));
		const [dead, other] = (await clients(run, 2)) as [TestClient, TestClient];
		await dead.task();
		const start = Date.now();
		expect(await other.task("?wait=20")).toMatchObject({ round: 1 });
		expect(Date.now() - start).toBeLessThan(10_000);
	});

	test("or is expelled, makes room at once", async () => {
		const run = await operator.startRun({ ...count(2), selection: { by: "count", count: 2 } }, Float32Array.of(0));
		const [a, b, c] = (await clients(run, 3)) as [TestClient, TestClient, TestClient];
		await a.contribute(Float32Array.of(1e6));
		const task = await b.task();
		expect((await c.call("GET", "/task")).body).toMatchObject({ task: null, reason: "not_selected" });
		await operator.call("DELETE", `/v1/runs/${run}/clients/${a.id}`);
		await c.contribute(Float32Array.of(1));
		await b.commit(task.update, await b.putParts(task.update, Float32Array.of(3)));
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([2]);
	});

	test("holds a place in the shards while its round goes on", async () => {
		const specification = count(3, { count_min: 2, deadline_seconds: 0.5 });
		const run = await operator.startRun({ ...specification, task_seconds: 0.1 }, Float32Array.of(0));
		const [a] = (await clients(run, 1)) as [TestClient];
		await a.task();
		await new Promise((resolve) => setTimeout(resolve, 150));
		expect(await show(run)).toMatchObject({ state: "running", staged: 1 });
	});
});

describe("asynchronous rounds", () => {
	test("FedBuff weighs by staleness from the base that the run has stored, and takes nothing too stale", async () => {
		const rule = { name: "fedbuff" };
		const run = await operator.startRun({ ...count(1), rule, staleness_max: 1 }, Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const stale = await b.task();
		await a.contribute(Float32Array.of(1));
		await operator.untilVersion(run, 1);
		const parts = await b.putParts(stale.update, Float32Array.of(1));
		await b.commit(stale.update, parts);
		await operator.untilVersion(run, 2);
		expect((await operator.weights(run))[0]).toBeCloseTo(1 + Math.SQRT1_2, 6);

		const tooStale = await b.task("?wait=5");
		const sent = await b.putParts(tooStale.update, Float32Array.of(1));
		for (const version of [3, 4]) {
			await a.contribute(Float32Array.of(0));
			await operator.untilVersion(run, version);
		}
		const late = await b.commit(tooStale.update, sent);
		expect(late.body).toMatchObject({ state: "refused", reason: { code: "too_stale" } });
	});

	test("FedAsync measures from the newest version, which takes the rows of the update's base", async () => {
		const rule = { name: "fedasync", alpha: 0.5, staleness: { kind: "constant" } };
		const run = await operator.startRun({ ...count(1), rule, staleness_max: 5 }, Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const stale = await b.task();
		await a.contribute(Float32Array.of(8));
		await operator.untilVersion(run, 1);
		expect([...(await operator.weights(run))]).toEqual([4]);
		// Its model is 0 + 2: (1 - 0.5) x 4 + 0.5 x 2.
		await b.commit(stale.update, await b.putParts(stale.update, Float32Array.of(2)));
		await operator.untilVersion(run, 2);
		expect([...(await operator.weights(run))]).toEqual([3]);
	});

	test("an interval flushes whatever came, and makes no version of nothing", async () => {
		const run = await operator.startRun(
			{ flush: { when: "interval", seconds: 1 }, rule: { name: "fedfix" }, staleness_max: 10 },
			Float32Array.of(0),
		);
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		await Promise.all([a.contribute(Float32Array.of(1)), b.contribute(Float32Array.of(1))]);
		await operator.untilVersion(run, 1);
		const rounds = (await operator.call("GET", `/v1/runs/${run}/rounds`)).body.data;
		expect(rounds[0]).toMatchObject({ round: 1, version: 1, updates: 2 });
		await new Promise((resolve) => setTimeout(resolve, 1_200));
		expect(await show(run)).toMatchObject({ state: "running", version: 1 });
	});
});

describe("going back", () => {
	test("a roll back makes a new version of the old weights and the optimiser's state after them", async () => {
		const specification = { ...count(1), server_optimiser: { name: "sgd", momentum: 0.5 } };
		const run = await operator.startRun(specification, Float32Array.of(0));
		const [a] = (await clients(run, 1)) as [TestClient];
		for (const version of [1, 2]) {
			await a.contribute(Float32Array.of(1));
			await operator.untilVersion(run, version);
		}
		// v = 1, 1.5: x = 1, 2.5.
		expect([...(await operator.weights(run))]).toEqual([2.5]);
		const back = await operator.call("POST", `/v1/runs/${run}/rollback`, { version: 1 });
		expect(back).toMatchObject({ status: 202 });
		await operator.untilVersion(run, 3);
		expect([...(await operator.weights(run))]).toEqual([1]);
		await a.contribute(Float32Array.of(1));
		await operator.untilVersion(run, 4);
		expect([...(await operator.weights(run))]).toEqual([2.5]);
		const versions = (await operator.call("GET", `/v1/runs/${run}/versions`)).body.data;
		expect(versions[1].digest).toBe(versions[3].digest);
		expect(versions[0].digest).toBe(versions[2].digest);
	});

	test("what is pending when a run goes back is refused", async () => {
		const run = await operator.startRun({ ...count(2), selection: { by: "all" } }, Float32Array.of(0));
		const [a, b] = (await clients(run, 2)) as [TestClient, TestClient];
		const pending = await a.contribute(Float32Array.of(1));
		const open = await b.task();
		await operator.call("POST", `/v1/runs/${run}/rollback`, { version: 0 });
		await operator.untilVersion(run, 1);
		expect((await a.call("GET", `/updates/${pending.body.id}`)).body.reason.code).toBe("rolled_back");
		const late = await b.commit(open.update, ["0".repeat(64)]);
		expect(late.body).toMatchObject({ state: "refused", reason: { code: "rolled_back" } });
	});
});

async function until<T>(found: () => Promise<T | false>, seconds = 10): Promise<T> {
	for (const start = Date.now(); ;) {
		const value = await found();
		if (value !== false) return value;
		if (Date.now() - start > seconds * 1_000) throw new Error("waited in vain");
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
