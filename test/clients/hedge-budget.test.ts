import { expect, it } from "vitest";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import { chatAnswer, plain, startScriptedPool, usage } from "./helpers/scripted-pool.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const REQUESTS = 200;
const LIMIT_USD = 1;
const at = (provider: string) => ({
	engine: "vllm" as const,
	rates: { prefill_tokens_per_second: 100_000, seconds_per_output_token: 0.001 },
	place: { provider, region: provider, round_trip_ms: 1 },
	max_concurrency: REQUESTS,
});

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	replicas: [],
	key: {
		policy: { hedge: true, value_of_second_usd: 1, ttft_goal_seconds: 0.1 },
		budget: { total_usd: LIMIT_USD },
		limits: { concurrency: REQUESTS },
	},
	catalog: () =>
		catalogOf([
			poolOf("slow", "m", [pool.url("slow")], {
				...at("one"),
				price: { per: "million_tokens", input: 1, output: 1 },
			}),
			poolOf("quick", "m", [pool.url("quick")], {
				...at("two"),
				price: { per: "million_tokens", input: 20, output: 20 },
			}),
		]),
});

it("200 requests at once that are all late have no more hedges than their share, and spend no more than they may", async () => {
	const answer = plain(chatAnswer(usage(100, 5)));
	pool.on("slow", (response, request) => void setTimeout(() => void answer(response, request), 3_000));
	pool.on("quick", answer);
	const answers = await Promise.all(
		Array.from({ length: REQUESTS }, () => gateway.chat("m", { max_tokens: 5, ignore_eos: true })),
	);
	await Promise.all(answers.map((answer) => answer.text()));
	expect(answers.map(({ status }) => status)).toEqual(Array.from(answers, () => 200));
	const records = await Promise.all(answers.map((answer) => gateway.record(answer)));
	const made = records.filter(({ hedge }) => hedge && hedge.outcome !== "refused");
	// A twentieth of 200.
	expect(made.length).toBeGreaterThan(0);
	expect(made.length).toBeLessThanOrEqual(REQUESTS / 20);
	// No pool was called without a record of it. A call that was called off at once need not have reached its pool.
	const attempts = records.flatMap((record) => record.attempts);
	for (const name of ["slow", "quick"]) {
		const there = attempts.filter(({ replica }) => replica === `${name}/a`);
		// Its metrics are read as well, when the requests take long.
		const calls = pool.requests(name).filter(({ path }) => path.endsWith("/chat/completions")).length;
		expect(calls).toBeLessThanOrEqual(there.length + there.filter(({ repeated }) => repeated).length);
		expect(calls).toBeGreaterThanOrEqual(there.filter(({ status }) => status !== null).length);
	}
	expect(records.some(({ hedge }) => hedge?.refused === "budget")).toBe(true);
	const cost = records.reduce((sum, record) => sum + record.cost_nano_usd, 0);
	const { budget, data } = await until("no lease holds anything", async () => {
		const statement = (await (await gateway.get("/usage")).json()) as {
			budget: { spent: { total: number }; outstanding: { nano: number; slots: number } };
			data: { hedge_usd: number; unconfirmed_usd: number }[];
		};
		const { nano, slots } = statement.budget.outstanding;
		return nano + slots === 0 && statement;
	});
	expect(budget.spent.total).toBe(cost);
	expect(cost).toBeLessThanOrEqual(LIMIT_USD * 1e9);
	expect(data.every((row) => row.unconfirmed_usd === 0)).toBe(true);
	const hedged = records.reduce((sum, record) => sum + record.hedge_nano_usd, 0);
	expect(Math.round(data.reduce((sum, row) => sum + row.hedge_usd, 0) * 1e9)).toBe(hedged);
	await until("nothing is in flight", async () => (await gateway.fleet("m")).in_flight === 0);
});
