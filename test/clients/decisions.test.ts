import { expect, it } from "vitest";
import { REJECTIONS } from "../../src/shared/scheduler/explanation.ts";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import { chatAnswer, Gate, plain, startScriptedPool, status, usage, type Answer } from "./helpers/scripted-pool.ts";
import { startTestGateway, type Answered } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const GOOD = plain(chatAnswer(usage(10, 5)));
const pool = await startScriptedPool();
const priced = (input: number) => ({ price: { per: "million_tokens", input, output: input } as const });

/** Each pool, which is also the name of its region, is to be rejected by a rule of its own. */
const gateway = await startTestGateway({
	replicas: [],
	// Money alone decides.
	key: { policy: { value_of_second_usd: 0, late_second_usd: 0 } },
	catalog: () => {
		const named = (id: string, more: Parameters<typeof poolOf>[3]) => poolOf(id, "m", [pool.url(id)], more);
		return catalogOf([
			named("good", priced(5)),
			named("failing", priced(1)),
			named("plain", { ...priced(2), capabilities: ["chat"] }),
			named("short", { ...priced(2), context_length: 50 }),
			named("elsewhere", priced(1)),
			named("resting", priced(2)),
			named("full", { ...priced(2), max_concurrency: 1 }),
			named("recovering", { ...priced(2), engine: "vllm", max_concurrency: 2 }),
			named("retried", priced(2)),
			named("dear", priced(1_000)),
			named("starting", { ...priced(2), max_concurrency: 4, scale_to_zero: { kind: "plain" } }),
		]);
	},
});

const only = (...regions: string[]) => ({ isobar: { regions } });

/** Puts a request into a pool that does not answer it yet. */
async function occupy(name: string): Promise<{ gate: Gate; answer: Promise<Response> }> {
	const gate = new Gate();
	pool.on(name, gate.answer);
	const answer = gateway.chat("m", only(name));
	await until(`${name} has a request`, () => gate.arrived.length === 1);
	return { gate, answer };
}

/** A replica that breaks the connection, is put aside and probed, and has one request in flight in its slow start. */
async function recover(): Promise<Gate> {
	const gate = new Gate();
	const isProbe = (path: string): boolean => ["/health", "/metrics"].includes(path);
	pool.on("recovering", (response) => void response.destroy());
	expect((await gateway.chat("m", only("recovering"))).status).toBe(502);
	const recovered: Answer = (response, request) =>
		isProbe(request.path) ? plain("{}")(response, request) : gate.answer(response, request);
	pool.on("recovering", recovered);
	await until("it is asked again", async () => {
		void gateway.chat("m", only("recovering")).catch(() => {});
		await new Promise((resolve) => setTimeout(resolve, 50));
		return gate.arrived.length > 0;
	});
	return gate;
}

/** Uses up what may be retried at a pool: five in ten seconds, while it has no other traffic. */
async function exhaustRetries(): Promise<void> {
	const waiting: (() => void)[] = [];
	pool.on("elsewhere", (response, request) => void waiting.push(() => void status(500)(response, request)));
	pool.on("retried", GOOD);
	const asked = Array.from({ length: 5 }, () => gateway.chat("m", only("elsewhere", "retried")));
	await until("all have come", () => waiting.length === asked.length);
	for (const fail of waiting) fail();
	for (const answer of await Promise.all(asked)) expect(answer.headers.get("x-isobar-attempts")).toBe("2");
}

function rulesOf({ decision }: Answered): Record<string, string> {
	return Object.fromEntries(
		decision!.map((line) => [line.replica.split("/")[0]!, "score" in line ? "candidate" : line.rejected]),
	);
}

it("a record names for every replica that was not chosen the rule that rejected it", async () => {
	pool.on("resting", status(503, { "retry-after": "60" }));
	expect((await gateway.chat("m", only("resting"))).status).toBe(429);
	const gate = await recover();
	const { gate: full, answer } = await occupy("full");
	const { gate: starting, answer: started } = await occupy("starting");
	await exhaustRetries();

	pool.on("failing", status(500));
	pool.on("good", GOOD);
	const regions = ["good", "failing", "plain", "short", "resting", "full", "recovering", "retried", "dear", "starting"];
	const response = await gateway.chat("m", {
		max_tokens: 100,
		tools: [{ type: "function", function: { name: "f", parameters: {} } }],
		isobar: { regions, price_ceiling_usd: 0.01 },
	});
	expect(response.status).toBe(200);
	const record = await gateway.record(response);
	expect(rulesOf(record)).toEqual({
		good: "candidate",
		failing: "excluded",
		plain: "capability",
		short: "context",
		elsewhere: "region",
		resting: "unhealthy",
		full: "concurrency",
		recovering: "slow_start",
		retried: "retry_budget",
		dear: "price_ceiling",
		starting: "waking",
	});
	// No rule is left out but those of hedges and of routers, which hedge.test.ts and the tests of routers show; and each says why.
	const elsewhere: ReadonlySet<string> = new Set(["same_provider", "privacy", "max_usd"]);
	const rules = REJECTIONS.filter((rule) => !elsewhere.has(rule));
	expect(new Set(Object.values(rulesOf(record)))).toEqual(new Set(["candidate", ...rules]));
	for (const line of record.decision!) if ("rejected" in line) expect(line.why.length).toBeGreaterThan(20);
	expect(record.decision!.find(({ replica }) => replica === "short/a")).toMatchObject({
		why: expect.stringMatching(/needs \d+ tokens of context, the pool has 50/),
	});
	expect(record.decision!.find(({ replica }) => replica === "full/a")).toMatchObject({
		why: "1 requests in flight of at most 1",
	});
	expect(record.attempts).toMatchObject([
		{ replica: "failing/a", status: 500 },
		{ replica: "good/a", status: 200 },
	]);
	gate.open();
	full.open();
	starting.open();
	await Promise.all([answer, started]);
});
