import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";
import { startGateway, type Gateway } from "../support/gateway.ts";
import { QUICK, settledUsage } from "./budget/money.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { until } from "./helpers/until.ts";

const MODEL = "m";
const chat = (more: object = {}) => ({
	model: MODEL,
	messages: [{ role: "user", content: "hello" }],
	max_tokens: 5,
	...more,
});

async function codeOf(response: Response): Promise<string> {
	const body: { error?: { code: string } } = JSON.parse(await response.text());
	return body.error?.code ?? "ok";
}

/** Gives the schedulers' storage a schema of another release: an object refuses to touch it, and with that to start. */
async function keepSchedulersFromStarting(persist: string): Promise<void> {
	const folder = join(persist, "do", "isobar-Scheduler");
	for (const name of (await readdir(folder)).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file))) {
		const database = new DatabaseSync(join(folder, name));
		database.exec("UPDATE migrations SET id = 'of another release'");
		database.close();
	}
}

describe("the scheduler is gone", () => {
	let gateway: Gateway;
	let isobar: LocalIsobar;
	let persist: string;

	beforeAll(async () => {
		persist = await mkdtemp(join(tmpdir(), "isobar-failures-"));
		gateway = await startGateway({
			persist,
			replicas: ["eu/a", "us/a"].map((name) => ({ name, model: MODEL, profile: QUICK })),
			catalog: (urls) =>
				catalogOf([
					poolOf("eu", MODEL, urlsOf(urls, "eu"), { max_concurrency: 2 }),
					poolOf("us", MODEL, urlsOf(urls, "us"), { capabilities: ["chat"], max_concurrency: 2 }),
				]),
		});
		await (await gateway.post("/chat/completions", chat())).text();
		await gateway.isobar.stop();
		await keepSchedulersFromStarting(persist);
		isobar = await startIsobar({ persist, secrets: { ADMIN_TOKEN: "failures" }, onLog: () => {} });
	});
	afterAll(async () => {
		await isobar.stop();
		await gateway.simulator.close();
		await rm(persist, { recursive: true, force: true });
	});

	const post = (body: object): Promise<Response> =>
		fetch(`${isobar.url}/v1/chat/completions`, {
			method: "POST",
			headers: { authorization: `Bearer ${gateway.key}` },
			body: JSON.stringify(body),
		});

	test("the stateless fallback decides, and says so in the header and the record", async () => {
		const response = await post(chat());
		expect(response.status).toBe(200);
		expect(response.headers.get("x-isobar-decided-by")).toBe("fallback");
		await response.text();
		const id = response.headers.get("x-isobar-request-id");
		const record = await fetch(`${isobar.url}/v1/requests/${id}`, {
			headers: { authorization: `Bearer ${gateway.key}` },
		});
		expect(JSON.parse(await record.text())).toMatchObject({ decided_by: "fallback", decision: null, outcome: "ok" });
	});

	test("equal prompts meet at one replica, and the rules of the catalog hold", async () => {
		const pools = new Set<string | null>();
		for (let i = 0; i < 6; i++) {
			const response = await post(chat());
			pools.add(response.headers.get("x-isobar-pool"));
			await response.text();
		}
		expect(pools.size).toBe(1);
		for (let i = 0; i < 6; i++) {
			const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
			const response = await post(chat({ tools, messages: [{ role: "user", content: `${i}` }] }));
			expect(response.headers.get("x-isobar-pool")).toBe("eu");
			await response.text();
		}
		const elsewhere = await post(chat({ isobar: { regions: ["us"] } }));
		expect(elsewhere.headers.get("x-isobar-pool")).toBe("us");
		await elsewhere.text();
	});

	test("an isolate gives no replica more than its limit", async () => {
		const slow = chat({ max_tokens: 60, ignore_eos: true, isobar: { regions: ["us"] } });
		const answers = await Promise.all(Array.from({ length: 5 }, () => post(slow)));
		const codes = await Promise.all(answers.map(codeOf));
		expect(codes.filter((code) => code === "ok")).toHaveLength(2);
		expect(codes.filter((code) => code === "no_healthy_replica")).toHaveLength(3);
		expect(gateway.simulator.replica("us/a").state().inFlightMax).toBeLessThanOrEqual(2);
	});
});

describe("long generations, regions and D1", () => {
	let gateway: Gateway;
	beforeAll(async () => {
		gateway = await startGateway({
			replicas: ["eu/a", "us/a"].map((name) => ({ name, model: MODEL, profile: QUICK })),
			catalog: (urls) =>
				catalogOf([
					poolOf("eu", MODEL, urlsOf(urls, "eu"), {
						max_concurrency: 1,
						price: { per: "million_tokens", input: 0, output: 1 },
					}),
					poolOf("us", MODEL, urlsOf(urls, "us"), { price: { per: "million_tokens", input: 0, output: 900 } }),
				]),
			edges: 1,
			settings: { reservationSeconds: 1, renewSeconds: 0.3, leaseSeconds: 1, leaseIdleSeconds: 0.2 },
		});
	});
	afterAll(() => gateway.stop());

	test("a generation that outlives its reservation and its lease keeps both", async () => {
		const key = await gateway.createKey({ tenant: "long", budget: { day_usd: 50 } });
		const long = await gateway.post(
			"/chat/completions",
			chat({ stream: true, max_tokens: 600, ignore_eos: true, isobar: { regions: ["eu"] } }),
			{ key },
		);
		expect(long.status).toBe(200);
		const reader = long.body!.getReader();
		let text = "";
		const reading = (async () => {
			for (let part = await reader.read(); !part.done; part = await reader.read())
				text += new TextDecoder().decode(part.value);
		})();
		await new Promise((resolve) => setTimeout(resolve, 2_000));
		// The pool's only place is still taken, though the reservation would have ended twice by now.
		const second = await gateway.post(
			"/chat/completions",
			chat({ isobar: { regions: ["eu"], waiting_seconds_max: 0.2 } }),
			{ key },
		);
		expect(second.status).toBe(429);
		await second.text();
		await reading;
		expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
		const usage = await settledUsage(gateway.isobar.url, key);
		expect(usage.data.reduce((sum, row) => sum + row.unconfirmed_usd, 0)).toBe(0);
		expect(usage.budget.spent.total).toBe(600 * 1_000);
	});

	test("when the pools of a region are gone, requests go to another, unless the policy forbids", async () => {
		gateway.simulator.replica("eu/a").behave({ refuse: true });
		try {
			const moved = await gateway.post("/chat/completions", chat());
			expect(moved.status).toBe(200);
			expect(moved.headers.get("x-isobar-pool")).toBe("us");
			await moved.text();
			const bound = await gateway.post("/chat/completions", chat({ isobar: { regions: ["eu"] } }));
			expect([502, 503]).toContain(bound.status);
			await bound.text();
		} finally {
			gateway.simulator.replica("eu/a").behave({ refuse: false });
		}
		await until("the region to be tried again", async () => {
			const response = await gateway.post("/chat/completions", chat({ isobar: { regions: ["eu"] } }));
			await response.text();
			return response.status === 200;
		});
	});

	test("while D1 is gone an isolate that knows the catalog serves on, and one that does not says so", async () => {
		await (await gateway.post("/chat/completions", chat())).text();
		const catalog = await gateway.isobar.catalog();
		for (const table of ["catalog_versions", "keys"])
			await catalog.exec(`ALTER TABLE ${table} RENAME TO ${table}_gone`);
		try {
			// Longer than the snapshot is fresh.
			await new Promise((resolve) => setTimeout(resolve, 2_200));
			for (let i = 0; i < 2; i++) {
				const known = await gateway.post("/chat/completions", chat());
				expect(known.status).toBe(200);
				await known.text();
			}
			const cold = await fetch(`${gateway.isobar.edgeUrls[0]}/v1/chat/completions`, {
				method: "POST",
				headers: { authorization: `Bearer ${gateway.key}` },
				body: JSON.stringify(chat()),
			});
			expect(cold.status).toBe(503);
			expect(cold.headers.get("retry-after")).not.toBeNull();
			expect(await codeOf(cold)).toBe("catalog_unavailable");
		} finally {
			for (const table of ["catalog_versions", "keys"])
				await catalog.exec(`ALTER TABLE ${table}_gone RENAME TO ${table}`);
		}
	});
});
