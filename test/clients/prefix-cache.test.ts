import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";

const MODEL = "llama";
const REPLICAS = ["a", "b", "c", "d"];
const pool = (urls: ReadonlyMap<string, string>, id: string, model: string, more = {}) =>
	poolOf(id, model, urlsOf(urls, id), { engine: "vllm", gpu: { type: "H100" }, max_concurrency: 16, ...more });

const gateway = await startTestGateway({
	replicas: [
		...REPLICAS.map((id) => ({ name: `vllm/${id}`, model: MODEL, profile: "H100" as const, speed: 500 })),
		{ name: "one/a", model: "one", profile: "H100", speed: 500 },
		{ name: "deaf/a", model: "deaf", profile: "H100", speed: 500 },
	],
	catalog: (urls) =>
		catalogOf([pool(urls, "vllm", MODEL), pool(urls, "one", "one"), pool(urls, "deaf", "deaf", { cache_salt: false })]),
});

const SYSTEM = `You answer questions about weather maps. ${"An isobar joins points of equal pressure. ".repeat(200)}`;

/** Sends a conversation and returns its answer's usage and where it was served. */
async function ask(model: string, messages: readonly object[], key = gateway.key, extra: object = {}) {
	const answer = await gateway.post("/chat/completions", { model, messages, max_tokens: 5, ...extra }, { key });
	expect(answer.status).toBe(200);
	const { usage } = (await answer.json()) as {
		usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } | null };
	};
	return {
		cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
		prompt: usage.prompt_tokens,
		replica: answer.headers.get("x-isobar-replica"),
		answer,
	};
}

const opening = (question: string) => [
	{ role: "system", content: SYSTEM },
	{ role: "user", content: question },
];

describe("a conversation", () => {
	it("goes back to the replica that holds its prefix, turn after turn, as does a new one with the same system prompt", async () => {
		const messages: object[] = opening("What is a front?");
		const first = await ask(MODEL, messages);
		expect(first.cached).toBe(0);
		for (let turn = 0; turn < 4; turn++) {
			messages.push({ role: "assistant", content: `Answer ${turn}. ${"It moves. ".repeat(40)}` });
			messages.push({ role: "user", content: `And then (${turn})?` });
			const next = await ask(MODEL, messages);
			expect(next.replica).toBe(first.replica);
			expect(next.cached).toBeGreaterThan(next.prompt * 0.75);
			const record = await gateway.record(next.answer);
			expect(record.cached_tokens).toBe(next.cached);
			const [chosen] = record.decision!;
			if (!chosen || "rejected" in chosen) throw new Error("no candidate");
			// What was expected is what was hit, to a block of ours and one of the engine's.
			expect(Math.abs(chosen.expected_cached_tokens! - next.cached)).toBeLessThan(250);
		}
		const { replicas } = await gateway.fleet(MODEL);
		const { prefix_cache: known } = replicas.find(({ replica }) => replica === first.replica)!;
		expect(known).toMatchObject({ answers: 4, unreported: 1 });
		expect(known!.actual_tokens).toBeGreaterThan(5_000);
		// What was believed is what was hit.
		expect(known!.predicted_tokens / known!.actual_tokens).toBeCloseTo(1, 0);
		expect(known!.possible_tokens).toBe(known!.predicted_tokens);
		const sibling = await ask(MODEL, opening("What is a trough?"));
		expect(sibling.replica).toBe(first.replica);
		expect(sibling.cached).toBeGreaterThan(sibling.prompt * 0.75);
	});

	it("is the same through the OpenAI SDK, streamed", async () => {
		const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key });
		const cached: number[] = [];
		const messages: OpenAI.ChatCompletionMessageParam[] = [
			{ role: "system", content: SYSTEM.replaceAll("isobar", "isotherm") },
			{ role: "user", content: "Hello" },
		];
		for (let turn = 0; turn < 3; turn++) {
			const stream = await client.chat.completions.create({
				model: MODEL,
				messages,
				max_tokens: 20,
				stream: true,
				stream_options: { include_usage: true },
			});
			let text = "";
			for await (const chunk of stream) {
				text += chunk.choices[0]?.delta.content ?? "";
				if (chunk.usage) cached.push(chunk.usage.prompt_tokens_details?.cached_tokens ?? 0);
			}
			messages.push({ role: "assistant", content: text }, { role: "user", content: `More (${turn}).` });
		}
		expect(cached[0]).toBe(0);
		expect(cached[1]).toBeGreaterThan(1_000);
		expect(cached[2]).toBeGreaterThanOrEqual(cached[1]!);
	});
});

describe("what one tenant cached", () => {
	it("is not reused for another's equal prompt, though it is for the tenant's own other keys", async () => {
		const [ours, theirs] = [await gateway.createKey({ tenant: "ours" }), await gateway.createKey({ tenant: "theirs" })];
		const sameTenant = await gateway.createKey({ tenant: "ours" });
		expect((await ask("one", opening("1"), ours)).cached).toBe(0);
		expect((await ask("one", opening("1"), theirs)).cached).toBe(0);
		expect((await ask("one", opening("1"), sameTenant)).cached).toBeGreaterThan(1_000);
		// A salt of the client's own parts its cache further, and opens no other's.
		expect((await ask("one", opening("1"), theirs, { cache_salt: "tenant:ours" })).cached).toBe(0);
		expect((await ask("one", opening("1"), theirs, { cache_salt: "tenant:ours" })).cached).toBeGreaterThan(1_000);
	});

	it("is shared by keys that name the same group", async () => {
		const member = (tenant: string) => gateway.createKey({ tenant, policy: { prefix_group: "weather" } });
		expect((await ask("one", opening("2"), await member("north"))).cached).toBe(0);
		expect((await ask("one", opening("2"), await member("south"))).cached).toBeGreaterThan(1_000);
	});

	it("goes to no pool that is said to take no salt", async () => {
		await ask("deaf", opening("3"));
		await ask("one", opening("3"));
		const sent = (name: string) => JSON.parse(gateway.simulator.replica(name).lastRequests().at(-1)!.body) as object;
		expect(sent("deaf/a")).not.toHaveProperty("cache_salt");
		expect(sent("one/a")).toHaveProperty("cache_salt", "isobar:tenant:test:");
	});
});
