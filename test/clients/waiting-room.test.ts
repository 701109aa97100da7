import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { Gate, startScriptedPool } from "./helpers/scripted-pool.ts";
import { errorOf, MARK, startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** Models with one replica that takes one request at a time and answers when the test says so. */
const GATED = [
	"order",
	"fairness",
	"weights",
	"priority",
	"deadline",
	"leaver",
	"full",
	"displaced",
	"retry",
	"impatient",
];
const WAITING_ROOM_MAX = 12;

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	// So long that no wait is expected to be longer, unless a request says otherwise.
	key: { policy: { waiting_seconds_max: 600 } },
	settings: { waitingRoomMax: WAITING_ROOM_MAX, waitingRoomTenantMax: 10 },
	replicas: ["load/a", "load/b"].map((name) => ({ name, model: "load", speed: 20 })),
	catalog: (urls) =>
		catalogOf([
			...GATED.map((model) => poolOf(model, model, [pool.url(model)], { max_concurrency: 1 })),
			poolOf("overdue", "overdue", [pool.url("overdue")], { max_concurrency: 20 }),
			poolOf("load", "load", urlsOf(urls, "load"), { max_concurrency: 3 }),
		]),
});
const [blue, red, heavy] = await Promise.all([
	gateway.createKey({ tenant: "blue", policy: { priority: "interactive", waiting_seconds_max: 600 } }),
	gateway.createKey({ tenant: "red", policy: { waiting_seconds_max: 600 } }),
	gateway.createKey({ tenant: "heavy", policy: { waiting_seconds_max: 600, fair_weight: 2 } }),
]);

/** A model whose only place is taken. */
async function occupied(model: string, requests = 1) {
	const gate = new Gate();
	pool.on(model, gate.answer);
	const first = Array.from({ length: requests }, () => gateway.chat(model, { user: "first", max_tokens: 5 }));
	await until(`${model} is taken`, () => gate.arrived.length === requests);
	return { gate, first };
}

/** Sends a request and waits until it stands in the waiting room. Who it is stands in its `user` field. */
async function queue(
	model: string,
	user: string,
	key = gateway.key,
	isobar: object = {},
): Promise<{ answer: Promise<Response> }> {
	const before = (await gateway.fleet(model)).waiting;
	const extra = { user, max_tokens: 5, isobar };
	const answer = gateway.chat(model, extra, { key });
	// A test that fails leaves answers behind that nobody awaits.
	answer.catch(() => {});
	await until(`${user} waits`, async () => (await gateway.fleet(model)).waiting === before + 1);
	return { answer };
}

/** Lets the pool answer one request after the other; returns in which order they came. */
async function drain(gate: Gate, requests: number): Promise<string[]> {
	for (let i = 1; i <= requests; i++) {
		await until(`request ${i} of ${requests}`, () => gate.arrived.length === i);
		gate.releaseOne();
	}
	return gate.arrived.slice(1).map(({ body }) => (JSON.parse(body.toString()) as { user: string }).user);
}

async function statusOf(answers: readonly { answer: Promise<Response> }[]): Promise<number[]> {
	return Promise.all(answers.map(async ({ answer }) => (await answer).status));
}

describe.concurrent("the waiting room", () => {
	it("lets those of one tenant go in the order in which they came", async () => {
		const { gate } = await occupied("order");
		const answers = [];
		for (const user of ["1", "2", "3", "4"]) answers.push(await queue("order", user));
		expect(await drain(gate, 5)).toEqual(["1", "2", "3", "4"]);
		expect(await statusOf(answers)).toEqual([200, 200, 200, 200]);
		const record = await gateway.record(await answers[3]!.answer);
		expect(record).toMatchObject({ outcome: "ok", decided_by: "scheduler" });
		expect(record.waited_seconds).toBeGreaterThan(0);
	});

	it("lets tenants take turns, however many requests one of them has", async () => {
		const standard = { priority: "standard" };
		const { gate } = await occupied("fairness");
		const answers = [];
		for (const user of ["b1", "b2", "b3", "b4", "b5"]) answers.push(await queue("fairness", user, blue, standard));
		for (const user of ["r1", "r2", "r3"]) answers.push(await queue("fairness", user, red));
		const order = await drain(gate, 9);
		// Until the smaller tenant has been served, the two are never more than one turn apart.
		for (let turns = 1; turns <= 6; turns++) {
			const reds = order.slice(0, turns).filter((user) => user.startsWith("r")).length;
			expect(Math.abs(turns - 2 * reds), order.join()).toBeLessThanOrEqual(1);
		}
		expect(order.filter((user) => user.startsWith("b"))).toEqual(["b1", "b2", "b3", "b4", "b5"]);
		expect(new Set(await statusOf(answers))).toEqual(new Set([200]));
	});

	it("gives a tenant turns by its key's weight", async () => {
		const { gate } = await occupied("weights");
		const answers = [];
		for (const user of ["r1", "r2", "r3"]) answers.push(await queue("weights", user, red));
		for (const user of ["h1", "h2", "h3", "h4"]) answers.push(await queue("weights", user, heavy));
		const order = await drain(gate, 8);
		// Of six in a row while both wait, four.
		expect(
			order.slice(0, 6).filter((user) => user.startsWith("h")),
			order.join(),
		).toHaveLength(4);
		expect(new Set(await statusOf(answers))).toEqual(new Set([200]));
	});

	it("lets the higher class go first, and a request not above its key's", async () => {
		const { gate } = await occupied("priority");
		const answers = [
			await queue("priority", "batch", blue, { priority: "batch" }),
			await queue("priority", "pretender", red, { priority: "interactive" }),
			await queue("priority", "standard", blue, { priority: "standard" }),
			await queue("priority", "interactive", blue),
		];
		expect(await drain(gate, 5)).toEqual(["interactive", "pretender", "standard", "batch"]);
		await statusOf(answers);
	});

	it("takes nobody whose deadline cannot be met, and says so at once", async () => {
		const { gate, first } = await occupied("deadline");
		const response = await gateway.chat("deadline", { isobar: { waiting_seconds_max: 0.5 } });
		expect(response.status).toBe(429);
		expect(response.headers.get("x-should-retry")).toBe("true");
		expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
		const error = await errorOf(response);
		expect(error).toMatchObject({ code: "overloaded", details: { tolerated_seconds: 0.5 } });
		expect(error.details!["expected_wait_seconds"]).toBeGreaterThan(0.5);
		expect((await gateway.fleet("deadline")).waiting).toBe(0);
		expect(gate.arrived).toHaveLength(1);
		const record = await gateway.record(response);
		expect(record).toMatchObject({ outcome: "failed", error: "overloaded", cost_nano_usd: 0 });
		expect(record.decision).toMatchObject([{ replica: "deadline/a", rejected: "concurrency" }]);
		gate.open();
		await Promise.all(first);
	});

	it("takes nobody who does not want to wait", async () => {
		const { gate, first } = await occupied("impatient");
		const response = await gateway.chat("impatient", { isobar: { waiting_seconds_max: 0 } });
		expect(response.status).toBe(429);
		expect(await errorOf(response)).toMatchObject({ code: "overloaded", details: { tolerated_seconds: 0 } });
		gate.open();
		await Promise.all(first);
		const key = await gateway.createKey({ policy: { waiting_seconds_max: 0 } });
		expect((await gateway.chat("impatient", { max_tokens: 5 }, { key })).status).toBe(200);
	});

	it("keeps nobody longer than waiting_seconds_max", async () => {
		// With so many places the wait looks short; but none becomes free.
		const { gate, first } = await occupied("overdue", 20);
		const response = await gateway.chat("overdue", { isobar: { waiting_seconds_max: 1 } });
		expect(response.status).toBe(429);
		const error = await errorOf(response);
		expect(error).toMatchObject({
			code: "overloaded",
			message: expect.stringMatching(/^No replica became free in 1\.\d s/),
		});
		expect(response.headers.get("retry-after")).not.toBeNull();
		expect((await gateway.fleet("overdue")).waiting).toBe(0);
		gate.open();
		await Promise.all(first);
	});

	it("is bounded, for all and for one tenant", async () => {
		const { gate } = await occupied("full");
		const answers = [];
		for (let i = 0; i < 10; i++) answers.push(await queue("full", `blue ${i}`, blue));
		const tenant = await gateway.chat("full", {}, { key: blue });
		expect(tenant.status).toBe(429);
		expect(await errorOf(tenant)).toMatchObject({ code: "overloaded", message: expect.stringContaining("tenant") });
		for (let i = 10; i < WAITING_ROOM_MAX; i++) answers.push(await queue("full", `red ${i}`, red));
		const all = await gateway.chat("full");
		expect(all.status).toBe(429);
		expect(await errorOf(all)).toMatchObject({ code: "overloaded", message: expect.stringContaining("full") });
		expect(Number(all.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
		gate.open();
		expect(new Set(await statusOf(answers))).toEqual(new Set([200]));
	});

	it("makes room for the more urgent: the newest of the lowest class is sent away", async () => {
		const { gate } = await occupied("displaced");
		const batch = { priority: "batch" };
		const answers = [];
		for (let i = 0; i < 5; i++) answers.push(await queue("displaced", `blue ${i}`, blue, batch));
		for (let i = 5; i < 10; i++) answers.push(await queue("displaced", `red ${i}`, red, batch));
		const urgent = gateway.chat("displaced", {}, { key: blue });
		const away = await answers[9]!.answer;
		expect(away.status).toBe(429);
		expect(await errorOf(away)).toMatchObject({ code: "overloaded", message: expect.stringContaining("more urgent") });
		gate.open();
		expect((await urgent).status).toBe(200);
		expect(new Set(await statusOf(answers.slice(0, 9)))).toEqual(new Set([200]));
	});

	it("lets go of a client that has hung up, who pays nothing", async () => {
		const { gate, first } = await occupied("leaver");
		const body = { model: "leaver", messages: [{ role: "user", content: MARK }] };
		const socket = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, JSON.stringify(body));
		await until("it waits", async () => (await gateway.fleet("leaver")).waiting === 1);
		socket.resetAndDestroy();
		await until("it has left", async () => (await gateway.fleet("leaver")).waiting === 0);
		const [line] = await until("it is logged", () => gateway.logged("leaver").length > 0 && gateway.logged("leaver"));
		expect(line!.outcome).toBe("client_gone");
		expect(await gateway.record(line!.id)).toMatchObject({ status: 499, error: null, cost_nano_usd: 0, pool: null });
		gate.open();
		await Promise.all(first);
		expect(gate.arrived).toHaveLength(1);
	});
});

describe("a replica's max_concurrency", () => {
	it("is reached and never exceeded", async () => {
		const asked = Array.from({ length: 60 }, (_, i) => gateway.chat("load", { stream: i % 2 === 0, max_tokens: 200 }));
		const answers = await Promise.all(asked);
		const texts = await Promise.all(answers.map((answer) => answer.text()));
		const statuses = answers.map(({ status }) => status);
		// The room is bounded: who does not fit is turned away at once.
		expect(new Set(statuses)).toEqual(new Set([200, 429]));
		expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(6 + 10);
		expect(
			texts.filter((text) => text.includes("data: [DONE]") || text.includes("chat.completion")).length,
		).toBeGreaterThan(15);
		const most = gateway.simulator.replicas.map((replica) => replica.state().inFlightMax);
		expect(most).toEqual([3, 3]);
		expect((await gateway.fleet("load")).waiting).toBe(0);
	});
});
