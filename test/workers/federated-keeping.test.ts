import { env, runInDurableObject, SELF } from "cloudflare:test";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Run } from "../../durable-objects/run.ts";
import { RunMembersStore } from "../../durable-objects/run.members.store.ts";
import type { Shard } from "../../durable-objects/shard.ts";
import { TestClient, type TestOperator } from "../support/federated-client.ts";
import { fetchWorker, newOperator, URL } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});
afterEach(() => {
	vi.restoreAllMocks();
});

const count = (count: number): object => ({ flush: { when: "count", count } });
const runOf = (run: string) => env.RUN.getByName(run);
const zero = Float32Array.of(0);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function rowsOf(run: string, sql: string) {
	return runInDurableObject(runOf(run), (_, { storage }) => storage.sql.exec(sql).toArray());
}

test("who has no invitation leaves nothing in a run", async () => {
	const run = await operator.startRun(count(1), zero);
	const stranger = await TestClient.make(URL, run, fetchWorker);
	expect((await stranger.join("isoinv_none")).body.error.code).toBe("invitation_invalid");
	expect(await rowsOf(run, "SELECT * FROM nonces")).toEqual([]);
	const nonce = "n".repeat(20);
	const body = { invitation: await operator.invitation(run, { uses: 2 }), public_key: stranger.publicKey };
	const joins = [0, 1].map(() => stranger.call("POST", "/clients", body, { keyid: stranger.publicKey, nonce }));
	expect((await Promise.all(joins)).map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
});

test("a nonce that would be forgotten at once is refused", async () => {
	const run = await operator.startRun(count(1), zero);
	const client = await operator.join(run);
	const { update } = await client.task();
	const parts = await client.putParts(update, Float32Array.of(1));
	const report = { examples: 1, steps: null, loss: null };
	const expiresAt = Date.now() / 1_000 - 1;
	const commit = { nonce: "n".repeat(20), expiresAt, encoding: "f32", parts, report, metrics: {} } as const;
	const decided = await runInDurableObject(runOf(run), (object) => object.commit(client.id, update, commit));
	expect(decided).toMatchObject({ ok: false, error: { code: "signature_expired" } });
	expect((await client.commit(update, parts)).body.state).toBe("pending");
});

test("a key has one name", async () => {
	const run = await operator.startRun(count(1), zero);
	const client = await TestClient.make(URL, run, fetchWorker);
	const invitation = await operator.invitation(run, { uses: 4 });
	expect((await client.join(invitation)).status).toBe(201);
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const last = alphabet.indexOf(client.publicKey.at(-1)!);
	for (const spare of [1, 2, 3]) {
		const name = client.publicKey.slice(0, -1) + alphabet[last + spare]!;
		const body = { invitation, public_key: name };
		const joined = await client.call("POST", "/clients", body, { keyid: name, nonce: `${"n".repeat(20)}${spare}` });
		expect(joined).toMatchObject({ status: 400, body: { error: { code: "invalid_request", param: "public_key" } } });
	}
	expect(await rowsOf(run, "SELECT client FROM members")).toHaveLength(1);
});

test("who watches is not woken by what makes no event", async () => {
	const run = await operator.startRun(count(2), zero);
	const client = await operator.join(run);
	const events = await runInDurableObject(runOf(run), (object) =>
		vi.spyOn(Object.getPrototypeOf(object) as Run, "events"),
	);
	const stream = await operator.raw("GET", `/v1/runs/${run}/events`);
	const reader = stream.body!.getReader();
	void (async () => {
		while (!(await reader.read()).done);
	})().catch(() => {});
	await expect.poll(() => events.mock.calls.length).toBe(2);
	for (let i = 0; i < 10; i++) await client.task();
	await sleep(200);
	expect(events).toHaveBeenCalledTimes(2);
	await operator.join(run);
	await expect.poll(() => events.mock.calls.length).toBe(3);
	await reader.cancel();
});

test("versions that took the places of others while the shards were told are told too", async () => {
	const run = await operator.startRun({ ...count(1), retention: { versions: 2 } }, zero);
	const client = await operator.join(run);
	const told: (readonly number[])[] = [];
	const made = await runInDurableObject(env.SHARD.getByName(`${run}/0`), (shard) =>
		vi.spyOn(Object.getPrototypeOf(shard) as Shard, "keepOnly").mockImplementation(async (kept) => {
			told.push(kept);
			if (told.length > 1) return;
			await rowsOf(run, "UPDATE versions SET state = 'collected' WHERE version = 1");
			await rowsOf(run, "UPDATE versions SET state = 'made' WHERE version = 0");
		}),
	);
	for (const version of [1, 2]) {
		await client.contribute(Float32Array.of(1));
		await operator.untilVersion(run, version);
	}
	await expect
		.poll(() => told, { timeout: 5_000 })
		.toEqual([
			[1, 2],
			[0, 2],
		]);
	made.mockRestore();
});

test("a round that was rolled back is over", async () => {
	const run = await operator.startRun(count(2), zero);
	await (await operator.join(run)).contribute(Float32Array.of(1));
	await operator.call("POST", `/v1/runs/${run}/rollback`, { version: 0 });
	const { data } = (await operator.call("GET", `/v1/runs/${run}/rounds`)).body;
	expect(data[0]).toMatchObject({ round: 1, closed_at: expect.any(Number), version: null, updates: 0, refused: 1 });
	expect(data[1]).toMatchObject({ round: 2, closed_at: null });
});

test("with a run its sockets end, and who waits is told", async () => {
	const run = await operator.startRun(count(1), zero);
	const [client, waiting] = [await operator.join(run), await operator.join(run)];
	await waiting.contribute(Float32Array.of(1));
	await operator.untilVersion(run, 1);
	await operator.call("POST", `/v1/runs/${run}/pause`);
	const { ticket } = (await client.call("POST", "/tickets")).body;
	const headers = { upgrade: "websocket" };
	const { webSocket } = await SELF.fetch(`${URL}/v1/runs/${run}/socket?ticket=${ticket}`, { headers });
	const closed = new Promise((resolve) => webSocket!.addEventListener("close", resolve));
	webSocket!.accept();
	const told = waiting.call("GET", "/task?wait=20");
	await sleep(200);
	const start = Date.now();
	await operator.call("DELETE", `/v1/runs/${run}`);
	expect(await closed).toMatchObject({ code: 4004 });
	expect((await told).body.error.code).toBe("run_not_found");
	expect(Date.now() - start).toBeLessThan(10_000);
});

test.each([1000, 1001, 1005, 1006, 1015, 4000])("a socket that ended with %d is closed", async (code) => {
	const run = await operator.startRun(count(1), zero);
	await runInDurableObject(runOf(run), async (object) => {
		const { 0: socket } = new WebSocketPair();
		socket.accept();
		await object.webSocketClose(socket, code);
		expect(socket.readyState).toBeGreaterThanOrEqual(WebSocket.CLOSING);
	});
});

test("the weight of all clients is summed in the order of their ids, whenever they asked", async () => {
	const run = await operator.startRun(count(1), zero);
	const weights = Array.from({ length: 200 }, (_, i) => (i % 7 === 0 ? 1e9 : 0.1) + (i * i) / 977);
	const totals = await runInDurableObject(runOf(run), (_, { storage }) => {
		const add = `INSERT INTO members (client, public_key, name, invitation, joined_at, state, weight, asked_at)
			VALUES (?1, ?1, '', '', 0, 'active', ?2, 0)`;
		for (const [i, weight] of weights.entries()) storage.sql.exec(add, `c${1_000 + i}`, weight);
		return Array.from({ length: 30 }, () => {
			storage.sql.exec("UPDATE members SET asked_at = abs(random() % 100000)");
			return new RunMembersStore(storage).populationWeight();
		});
	});
	expect([...new Set(totals)]).toEqual([weights.reduce((sum, weight) => sum + weight, 0)]);
});
