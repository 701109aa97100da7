import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { errorOf, startTestGateway } from "./helpers/test-gateway.ts";

const ours = { tenant: "ours" };
const gateway = await startTestGateway({
	key: ours,
	replicas: ["cheap/a", "dear/a", "embed/a"].map((name) => ({
		name,
		model: name.startsWith("e") ? "e" : "m",
		speed: 0,
	})),
	catalog: (urls) =>
		catalogOf([
			poolOf("cheap", "m", urlsOf(urls, "cheap")),
			poolOf("dear", "m", urlsOf(urls, "dear"), { price: { per: "million_tokens", input: 30, output: 60 } }),
			poolOf("embed", "e", urlsOf(urls, "embed")),
		]),
});

describe("the headers of an answer", () => {
	it.each([{ stream: false }, { stream: true }])("say what is known when it begins (%o)", async (extra) => {
		const response = await gateway.chat("m", extra);
		const { headers } = response;
		await response.text();
		const record = await gateway.record(response);
		expect(headers.get("x-isobar-request-id")).toBe(record.id);
		expect(headers.get("x-isobar-model")).toBe("m");
		expect(headers.get("x-isobar-pool")).toBe("cheap");
		expect(headers.get("x-isobar-replica")).toBe("cheap/a");
		expect(headers.get("x-isobar-attempts")).toBe("1");
		expect(headers.get("x-isobar-decided-by")).toBe("scheduler");
		expect(Number(headers.get("x-isobar-expected-cost-usd"))).toBeCloseTo(record.expected_usd!, 8);
		expect(Number(headers.get("x-isobar-expected-ttft-seconds"))).toBeCloseTo(record.expected_ttft_seconds!, 3);
	});

	it("name the request also where it was refused", async () => {
		const response = await gateway.chat("m", { isobar: { price_ceiling_usd: 0 } });
		const error = await errorOf(response);
		expect(error.code).toBe("constraint_unmet");
		expect(response.headers.get("x-isobar-request-id")).toBe(error.request_id);
		const record = await gateway.record(response);
		expect(record).toMatchObject({
			outcome: "failed",
			error: "constraint_unmet",
			status: 400,
			cost_nano_usd: 0,
			pool: null,
		});
		expect(record.decision).toMatchObject([{ rejected: "price_ceiling" }, { rejected: "price_ceiling" }]);
	});
});

describe("GET /v1/requests/{id}", () => {
	it("tells the outcome", async () => {
		const response = await gateway.chat("m", { max_tokens: 6, stream: true });
		await response.text();
		const record = await gateway.record(response);
		expect(record).toMatchObject({
			endpoint: "chat",
			requested_model: "m",
			model: "m",
			stream: true,
			status: 200,
			outcome: "ok",
			error: null,
			pool: "cheap",
			replica: "cheap/a",
			decided_by: "scheduler",
			attempts: [{ replica: "cheap/a", status: 200, failure: null }],
			completion_tokens: 6,
			usage_source: "reported",
			price_version: 1,
		});
		expect(record.ttft_seconds).toBeGreaterThanOrEqual(0);
		expect(record.seconds).toBeGreaterThanOrEqual(record.ttft_seconds!);
		// One dollar a million prompt tokens, two a million of the answer.
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + 6 * 2_000);
		expect(record.reserved_nano_usd).toBeGreaterThanOrEqual(record.cost_nano_usd);
	});

	it("explains the decision: every candidate with its terms, the cheapest first", async () => {
		const response = await gateway.chat("m");
		await response.text();
		const { decision, expected_usd } = await gateway.record(response);
		expect(decision!.map(({ replica }) => replica)).toEqual(["cheap/a", "dear/a"]);
		const [first, second] = decision!.filter((line) => "score" in line);
		for (const { score, terms } of [first!, second!]) {
			expect(Object.keys(terms)).toEqual(["money", "congestion", "time", "late", "harm"]);
			expect(score).toBeCloseTo(
				Object.values(terms).reduce((sum, usd) => sum + usd, 0),
				12,
			);
		}
		expect(first!.score).toBeLessThan(second!.score);
		expect(first!.terms.money).toBe(expected_usd);
		expect(second!.terms.money).toBeCloseTo(30 * first!.terms.money, 5);
	});

	it("is there for every key of the tenant, and for nobody else", async () => {
		const response = await gateway.chat("m");
		await response.text();
		const { id } = await gateway.record(response, await gateway.createKey(ours));
		const other = await gateway.createKey({ tenant: "theirs" });
		const [foreign, unknown, none] = await Promise.all([
			gateway.get(`/requests/${id}`, other),
			gateway.get("/requests/req_nothing"),
			fetch(`${gateway.baseURL}/requests/${id}`),
		]);
		expect(foreign.status).toBe(404);
		expect((await errorOf(foreign)).code).toBe("not_found");
		expect(unknown.status).toBe(404);
		expect(none.status).toBe(401);
	});
});

describe("GET /v1/usage", () => {
	interface Usage {
		readonly data: readonly {
			readonly key: string;
			readonly model: string;
			readonly pool: string;
			readonly day: string;
			readonly requests: number;
			readonly completion_tokens: number;
			readonly cost_usd: number;
		}[];
	}
	const usage = async (query = "", key?: string): Promise<Usage["data"]> =>
		((await (await gateway.get(`/usage${query}`, key)).json()) as Usage).data;

	it("adds up by key, model, pool and day, for its own tenant only", async () => {
		const tenant = "usage";
		const [one, two] = await Promise.all([gateway.createKey({ tenant }), gateway.createKey({ tenant })]);
		const asked = [
			await gateway.chat("m", { max_tokens: 5 }, { key: one }),
			await gateway.chat("m", { max_tokens: 7 }, { key: one }),
			await gateway.chat("m", { max_tokens: 9, isobar: { regions: ["dear"] } }, { key: one }),
			await gateway.chat("m", { max_tokens: 11 }, { key: two }),
			await gateway.post("/embeddings", { model: "e", input: "x" }, { key: two }),
		];
		await Promise.all(asked.map((response) => response.text()));
		const records = await Promise.all(asked.map((response) => gateway.record(response, one)));
		const rows = await usage("", one);
		const byPlace = (key: string, pool: string) => rows.find((row) => row.key === key && row.pool === pool);
		const [first, second] = [records[0]!.key, records[3]!.key];
		expect(rows).toHaveLength(4);
		expect(byPlace(first, "cheap")).toMatchObject({ requests: 2, completion_tokens: 12, model: "m" });
		expect(byPlace(first, "dear")).toMatchObject({ requests: 1, completion_tokens: 9 });
		expect(byPlace(second, "cheap")).toMatchObject({ requests: 1, completion_tokens: 11 });
		expect(byPlace(second, "embed")).toMatchObject({ requests: 1, completion_tokens: 0, model: "e" });
		const cost = records.reduce((sum, record) => sum + record.cost_nano_usd, 0);
		expect(rows.reduce((sum, row) => sum + row.cost_usd, 0)).toBeCloseTo(cost / 1e9, 12);

		const today = rows[0]!.day;
		expect(await usage(`?key=${first}&pool=dear`, two)).toHaveLength(1);
		expect(await usage(`?model=e&from=${today}&to=${today}`, two)).toHaveLength(1);
		expect(await usage("?to=2020-01-01", two)).toEqual([]);
		expect(await usage("", await gateway.createKey({ tenant: "nobody" }))).toEqual([]);
	});

	it.each(["from=2026-13-01", "from=2026-02-30", "from=2026-3-1", "from=2026-11-24&to=2026-11-23"])(
		"refuses days that are none: %s",
		async (query) => {
			const response = await gateway.get(`/usage?${query}`);
			expect(response.status).toBe(400);
			expect(await errorOf(response)).toMatchObject({ code: "invalid_request", param: "from" });
		},
	);

	it("takes one day, and a leap day, as days", async () => {
		const usage = await gateway.get("/usage?from=2028-02-29&to=2028-02-29");
		expect(await usage.json()).toMatchObject({ object: "list", data: [] });
	});

	it("says what it does not understand", async () => {
		for (const [query, param] of [
			["?from=yesterday", "from"],
			["?colour=red", "query"],
		]) {
			const response = await gateway.get(`/usage${query}`);
			expect(response.status).toBe(400);
			expect(await errorOf(response)).toMatchObject({ code: "invalid_request", param });
		}
	});
});
