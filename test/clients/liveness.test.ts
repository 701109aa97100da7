import { fork } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FleetStatus, ReplicaStatus } from "../../src/shared/scheduler/messages.ts";
import { startGateway, type Gateway } from "../support/gateway.ts";
import { QUICK, recordOf } from "./budget/money.ts";
import type { Order } from "./budget/race.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { until } from "./helpers/until.ts";

/** One place, so that a request that is in flight makes the next one wait. */
const ONE = "one-place";
const TWO = "two-replicas";
const STALE = "stale-connections";

let gateway: Gateway;

beforeAll(async () => {
	gateway = await startGateway({
		replicas: ["one/a", "two/a", "two/b", "spare/a"].map((name) => ({
			name,
			model: name.startsWith("one") ? ONE : TWO,
			profile: QUICK,
		})),
		catalog: (urls) =>
			catalogOf([
				poolOf("one", ONE, urlsOf(urls, "one"), { engine: "vllm", max_concurrency: 1 }),
				poolOf("two", TWO, urlsOf(urls, "two"), { engine: "vllm", max_concurrency: 40 }),
				poolOf("spare", TWO, urlsOf(urls, "spare"), {
					max_concurrency: 40,
					price: { per: "million_tokens", input: 500, output: 500 },
				}),
			]),
		settings: { reservationSeconds: 1, renewSeconds: 0.3 },
	});
});
afterAll(() => gateway.stop());
beforeEach(() => {
	for (const replica of gateway.simulator.replicas) replica.reset();
});

async function fleet(model: string): Promise<FleetStatus> {
	const response = await fetch(`${gateway.isobar.url}/admin/fleet`, {
		headers: { authorization: "Bearer test-admin-token" },
	});
	const { models }: { models: Record<string, FleetStatus> } = JSON.parse(await response.text());
	return models[model]!;
}

async function replica(name: string): Promise<ReplicaStatus> {
	return (await fleet(TWO)).replicas.find((each) => each.replica === name)!;
}

interface Done {
	readonly status: number;
	readonly id: string;
	readonly replica: string | null;
	readonly code: string | null;
	readonly retryAfter: string | null;
}

async function ask(model: string, tokens: number, more: object = {}): Promise<Done> {
	const body = { model, messages: [{ role: "user", content: "x" }], max_tokens: tokens, ignore_eos: true, ...more };
	const response = await gateway.post("/chat/completions", body);
	const text = await response.text();
	const error: { error?: { code: string } } = response.ok ? {} : JSON.parse(text);
	return {
		status: response.status,
		id: response.headers.get("x-isobar-request-id") ?? "",
		replica: response.headers.get("x-isobar-replica"),
		code: error.error?.code ?? null,
		retryAfter: response.headers.get("retry-after"),
	};
}

const isWaiting = (count: number) => until(`${count} to wait`, async () => (await fleet(ONE)).waiting === count);
const isIdle = () =>
	until("nothing to be in flight or to wait", async () => {
		const { in_flight, waiting } = await fleet(ONE);
		return in_flight + waiting === 0;
	});
const isTaken = () => until("the place to be taken", () => gateway.simulator.replica("one/a").state().inFlight === 1);

describe("the waiting room", () => {
	it("gives the place that becomes free to who came first and is still there; who cannot have one in time is told at once", async () => {
		const first = ask(ONE, 200);
		await isTaken();
		const leaving = await rawPost(
			`${gateway.baseURL}/chat/completions`,
			gateway.key,
			JSON.stringify({ model: ONE, messages: [{ role: "user", content: "x" }], max_tokens: 5 }),
		);
		await isWaiting(1);
		const second = ask(ONE, 60);
		await isWaiting(2);
		const late = await ask(ONE, 5, { isobar: { waiting_seconds_max: 0.1 } });
		expect(late).toMatchObject({ status: 429, code: "overloaded" });
		expect(Number(late.retryAfter)).toBeGreaterThanOrEqual(1);
		leaving.resetAndDestroy();
		await isWaiting(1);
		expect(gateway.simulator.replica("one/a").state().requests).toBe(1);

		expect((await first).status).toBe(200);
		const served = await second;
		expect(served.status).toBe(200);
		const record = await until("the record", () => recordOf(gateway.isobar.url, gateway.key, served.id));
		expect(record.waited_seconds).toBeGreaterThan(0.3);
		expect(gateway.simulator.replica("one/a").state()).toMatchObject({ requests: 2, inFlightMax: 1 });
		await isIdle();
	});
});

describe("a client that is gone", () => {
	it("leaves its place at once when its process is killed, and the pool stops working for it", async () => {
		const client = fork(join(import.meta.dirname, "budget", "runner.ts"), { execArgv: [] });
		const order: Order = {
			url: gateway.isobar.url,
			key: gateway.key,
			body: {
				model: ONE,
				messages: [{ role: "user", content: "x" }],
				max_tokens: 4_000,
				ignore_eos: true,
				stream: true,
			},
		};
		client.once("message", () => client.send("go"));
		client.send([order]);
		await isTaken();
		client.kill("SIGKILL");
		// Its answer would have taken twenty seconds more.
		expect((await ask(ONE, 5)).status).toBe(200);
		expect(gateway.simulator.replica("one/a").state()).toMatchObject({ aborted: 1, inFlight: 0 });
		await isIdle();
	});
});

/** A pool that closes all connections which were idle at the last `retire` as soon as one of them is used again: as if their time had
 *  been over, and the close of all had crossed the requests on their way. */
async function closingPool() {
	const open = new Set<Socket>();
	let retired = new Set<Socket>();
	const pool = createServer((request, response) => {
		if (retired.has(request.socket)) {
			for (const socket of retired) socket.destroy();
			return;
		}
		request.resume().on("end", () => {
			response.setHeader("content-type", "application/json");
			response.end(JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }));
		});
	});
	pool.on("connection", (socket: Socket) => {
		open.add(socket);
		socket.once("close", () => open.delete(socket));
	});
	await new Promise<void>((resolve) => {
		pool.listen(0, "127.0.0.1", resolve);
	});
	return {
		url: `http://127.0.0.1:${(pool.address() as AddressInfo).port}`,
		retire: () => {
			retired = new Set(open);
		},
		close: () => {
			pool.closeAllConnections();
			pool.close();
		},
	};
}

async function addPool(id: string, model: string, url: string): Promise<void> {
	const before = await gateway.admin.catalog();
	const { models, pools } = catalogOf([poolOf(id, model, [url])]);
	await gateway.admin.putCatalog({ models: [...before.models, ...models], pools: [...before.pools, ...pools] });
}

describe("a connection that the pool has closed while it was idle", () => {
	it("costs a burst that meets many of them no attempt, and stands in the records", async () => {
		const pool = await closingPool();
		try {
			await addPool("closing", "closing", pool.url);
			await addPool("beside", "beside", pool.url);
			const bursts = [];
			for (const size of [40, 10, 40]) {
				pool.retire();
				bursts.push(await Promise.all(Array.from({ length: size }, () => ask("closing", 1))));
			}
			for (const answer of bursts.flat()) expect(answer).toMatchObject({ status: 200, replica: "closing/a" });
			// They belong to the server, whichever of its replicas they were made for.
			pool.retire();
			expect(await ask("beside", 1)).toMatchObject({ status: 200, replica: "beside/a" });
			const ids = bursts.flat().map(({ id }) => id);
			const records = await Promise.all(
				ids.map((id) => until("the record", () => recordOf(gateway.isobar.url, gateway.key, id))),
			);
			const attempts = records.map((record) => record.attempts);
			expect(attempts.every((made) => made.length === 1 && made[0]!.status === 200)).toBe(true);
			expect(attempts.flat().some((attempt) => attempt.repeated)).toBe(true);
			expect((await fleet("closing")).replicas[0]!.health).toBe("healthy");
		} finally {
			pool.close();
		}
	});

	it("is replaced, and not held against the replica", async () => {
		const requests = new WeakMap<Socket, number>();
		let closed = 0;
		const pool = createServer((request, response) => {
			const count = (requests.get(request.socket) ?? 0) + 1;
			requests.set(request.socket, count);
			// As if the answer to the first had been followed by a close that crossed the second on its way.
			if (count > 1) {
				closed++;
				request.socket.destroy();
				return;
			}
			request.resume().on("end", () => {
				response.setHeader("content-type", "application/json");
				response.end(JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }));
			});
		});
		await new Promise<void>((resolve) => {
			pool.listen(0, "127.0.0.1", resolve);
		});
		try {
			const { port } = pool.address() as AddressInfo;
			await addPool("stale", STALE, `http://127.0.0.1:${port}`);
			for (let i = 0; i < 6; i++) expect(await ask(STALE, 1)).toMatchObject({ status: 200, replica: "stale/a" });
			expect(closed).toBeGreaterThan(0);
			expect((await fleet(STALE)).replicas[0]!.health).toBe("healthy");
		} finally {
			pool.closeAllConnections();
			pool.close();
		}
	});
});

describe("a replica that fails", () => {
	it("is set aside, probed and started slowly; requests go on elsewhere, and none to it meanwhile", async () => {
		const sick = gateway.simulator.replica("two/a");
		sick.behave({ refuse: true });
		// Requests find out, at most one each, and are answered by another replica all the same.
		await until("the scheduler to know", async () => {
			expect((await ask(TWO, 2)).status).toBe(200);
			return (await replica("two/a")).health !== "healthy";
		});
		sick.reset();
		sick.behave({ refuse: false, faults: [{ kind: "status", status: 500, path: "/health" }] });
		await until("a probe that fails", async () => {
			expect((await ask(TWO, 2)).status).toBe(200);
			return sick.lastRequests().some(({ path }) => path === "/health");
		});
		expect(sick.state().requests).toBe(0);
		expect(["aside", "probing"]).toContain((await replica("two/a")).health);

		sick.behave({ faults: [] });
		await until("its slow start", async () => {
			expect((await ask(TWO, 2)).status).toBe(200);
			return (await replica("two/a")).health === "slow_start";
		});
		// A burst right after its return: it gets a few of them, where it could take all.
		sick.reset();
		const burst = await Promise.all(Array.from({ length: 60 }, () => ask(TWO, 40)));
		expect(burst.every(({ status }) => status === 200)).toBe(true);
		const share = burst.filter((done) => done.replica === "two/a").length;
		expect(share).toBeGreaterThan(0);
		expect(share).toBeLessThan(20);
	});
});
