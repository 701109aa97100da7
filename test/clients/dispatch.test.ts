import { gzipSync } from "node:zlib";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { startGateway } from "../support/gateway.ts";
import { settledUsage, usageOf } from "./budget/money.ts";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { chatAnswer, plain, startScriptedPool, stream, usage, type Answer } from "./helpers/scripted-pool.ts";
import { errorOf, startTestGateway } from "./helpers/test-gateway.ts";

const pool = await startScriptedPool();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const chat = (content = "x", more: object = {}): string =>
	JSON.stringify({ model: "m", max_tokens: 5, messages: [{ role: "user", content }], ...more });
const post = (base: string, key: string, body = chat()): Promise<Response> =>
	fetch(`${base}/v1/chat/completions`, { method: "POST", body, headers: { authorization: `Bearer ${key}` } });

describe("a request that stands in the waiting room", () => {
	it("keeps its lease for longer than one lasts unrenewed", async () => {
		const answer = plain(chatAnswer(usage(10, 5)));
		pool.on("slow", (response, request) => void setTimeout(() => void answer(response, request), 5_000));
		const gateway = await startGateway({
			replicas: [],
			edges: 1,
			settings: { leaseSeconds: 2, renewSeconds: 0.6, waitingSecondsMax: 12 },
			catalog: () => catalogOf([poolOf("p", "m", [pool.url("slow")], { max_concurrency: 1 })]),
		});
		try {
			const key = await gateway.createKey({ tenant: "waits", budget: { day_usd: 1 }, limits: { concurrency: 1 } });
			const edge = gateway.isobar.edgeUrls[0]!;
			// Another isolate has the only place, so that nothing in the waiting one's sends its mail.
			const first = post(edge, gateway.key);
			await sleep(300);
			const second = post(gateway.isobar.url, key);
			await sleep(3_500);
			const { data, budget } = await usageOf(edge, key);
			expect(data.every(({ unconfirmed_usd }) => unconfirmed_usd === 0)).toBe(true);
			expect(budget.outstanding.slots).toBe(1);
			expect((await post(edge, key)).status, "a second request of a key that may have one").toBe(429);
			expect([(await first).status, (await second).status]).toEqual([200, 200]);
		} finally {
			await gateway.stop();
		}
	});
});

describe("a client that hangs up before any pool was called", () => {
	it("pays nothing, however long its prompt is", async () => {
		pool.on("a", plain(chatAnswer(usage(10, 5))));
		const gateway = await startGateway({
			replicas: [],
			edges: 1,
			settings: { leaseIdleSeconds: 2, recallSeconds: 3, renewSeconds: 0.5 },
			catalog: () => catalogOf([poolOf("p", "m", [pool.url("a")])]),
		});
		try {
			// Holds a lease elsewhere, so that the next request waits for its recall.
			const key = await gateway.createKey({ tenant: "leaves", budget: { total_usd: 0.0082 } });
			expect((await post(gateway.isobar.edgeUrls[0]!, key)).status).toBe(200);
			const before = pool.requests("a").length;
			const socket = await rawPost(`${gateway.isobar.url}/v1/chat/completions`, key, chat("x".repeat(8_100)));
			await sleep(50);
			socket.resetAndDestroy();
			const { budget } = await settledUsage(gateway.isobar.url, key);
			expect(pool.requests("a").length).toBe(before);
			expect(budget.spent.total, "what the first request cost").toBe(20_000);
		} finally {
			await gateway.stop();
		}
	});
});

describe("a pool that reads requests and drops them", () => {
	it("gets each once", async () => {
		let requests = 0;
		const server = createServer((socket) => {
			socket.once("data", () => {
				requests++;
				socket.destroy();
			});
			socket.on("error", () => {});
		});
		await new Promise<void>((resolve) => {
			server.listen(0, "127.0.0.1", resolve);
		});
		const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const gateway = await startGateway({ replicas: [], catalog: () => catalogOf([poolOf("p", "m", [url])]) });
		try {
			expect((await post(gateway.isobar.url, gateway.key)).status).toBe(502);
			expect(requests).toBe(1);
		} finally {
			await gateway.stop();
			server.close();
		}
	});
});

describe("what a pool sends is held only up to a bound", async () => {
	const names = ["refuses", "refuses-packed", "comments", "packed"];
	const gateway = await startTestGateway({
		replicas: [],
		catalog: () => catalogOf(names.map((name) => poolOf(name, name, [pool.url(name)]))),
	});
	const huge = `{"error":{"message":"${"x".repeat(2_000_000)}"}}`;
	const packed = gzipSync(huge);

	it.each<[name: string, answer: Answer, stream: boolean]>([
		["refuses", plain(huge, {}, 400), false],
		["refuses-packed", plain(packed, { "content-encoding": "gzip" }, 400), false],
		["comments", stream(Array.from({ length: 80 }, () => `: ${"x".repeat(30_000)}\n`)), true],
	])("%s", async (name, answer, streamed) => {
		pool.on(name, answer);
		const response = await gateway.chat(name, { stream: streamed });
		expect(response.status).toBe(502);
		expect((await errorOf(response)).code).toBe("upstream_garbage");
	});

	it("a compressed answer over 8 MiB is passed on as it comes", async () => {
		const body = `{"choices":[],"x":"${"x".repeat(9 * 2 ** 20)}","usage":{"prompt_tokens":1,"completion_tokens":1}}`;
		const bytes = gzipSync(body);
		let ended = false;
		pool.on("packed", async (response) => {
			const headers = { "content-type": "application/json", "content-encoding": "gzip" };
			response.writeHead(200, { ...headers, "content-length": bytes.length });
			response.write(bytes.subarray(0, -16));
			await sleep(1_000);
			ended = true;
			response.end(bytes.subarray(-16));
		});
		const response = await gateway.chat("packed");
		expect(ended, "its end was waited for").toBe(false);
		expect((await response.text()).length).toBe(body.length);
		expect(await gateway.record(response)).toMatchObject({ outcome: "ok", usage_source: "reported" });
	});
});
