import { spawn } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { ZmqEngine } from "../../clients/kv-forwarder/src/engine.ts";
import { Forwarder } from "../../clients/kv-forwarder/src/forwarder.ts";
import { HttpGateway } from "../../clients/kv-forwarder/src/gateway.ts";
import type { HeldRow, KvStats } from "../../src/shared/kv/events/messages.ts";
import { KV_ENCODINGS } from "../simulator/options.ts";
import type { SimulatedReplica } from "../simulator/simulator.ts";
import { MARK, startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const MODEL = "kv-model";
/** At a pool whose replica sends no events. */
const SILENT = "silent-model";
const POOL_KEY = "events-key-of-the-pool";
/** One replica for each encoding. */
const REPLICAS = KV_ENCODINGS.map((encoding) => `pool/${encoding}`);

const gateway = await startTestGateway({
	secrets: { POOL_EVENTS: POOL_KEY },
	key: { kv_lookup: true },
	replicas: [
		...KV_ENCODINGS.map((encoding) => ({
			name: `pool/${encoding}`,
			model: MODEL,
			speed: 50,
			outputTokens: 20,
			kvEvents: { encoding, topic: `kv@${encoding}@${MODEL}` },
		})),
		{ name: "silent/a", model: SILENT, speed: 50 },
	],
	catalog: (urls) => ({
		models: [MODEL, SILENT].map((id) => ({
			id,
			context_length: 32_768,
			capabilities: ["chat", "completions", "token_prompts"],
			parameters_billion: 8,
		})),
		pools: [
			{ id: "pool", model: MODEL, events_secret: "POOL_EVENTS" },
			{ id: "silent", model: SILENT },
		].map((pool) => ({
			...pool,
			engine: "vllm",
			place: { provider: "own", region: "eu" },
			price: { per: "gpu_hour", usd: 1 },
			replicas: [...urls]
				.filter(([name]) => name.startsWith(`${pool.id}/`))
				.map(([name, url]) => ({ id: name.slice(pool.id.length + 1), url })),
		})),
	}),
});

const logged: string[] = [];

function forward(name: string, { replay = true, url = gateway.isobar.url } = {}) {
	const { kvEvents } = gateway.simulator.replica(name);
	const engine = new ZmqEngine({
		events: kvEvents!.endpoint,
		replay: replay ? kvEvents!.replayEndpoint : null,
		topic: "kv@",
		replaySeconds: 2,
	});
	const options = { url, key: POOL_KEY, replica: name, rank: 0, topic: "", timeoutSeconds: 5 };
	const forwarder = new Forwarder(engine, new HttpGateway(options), {
		buffer: { framesMax: 1_000, bytesMax: 1_000_000 },
		request: { framesMax: 16, bytesMax: 1_000_000 },
		lingerSeconds: 0.02,
		backOffSeconds: { first: 0.05, max: 0.2 },
		drainSeconds: 2,
		log: (event, facts) => logged.push(JSON.stringify({ name, event, ...facts })),
		random: Math.random,
	});
	const done = forwarder.run();
	return { forwarder, stop: () => (forwarder.stop(), done) };
}

const forwarders = new Map(REPLICAS.map((name) => [name, forward(name)]));
afterAll(async () => {
	await Promise.all([...forwarders.values()].map(({ stop }) => stop()));
	expect(logged.join("\n")).not.toContain(POOL_KEY);
});

/** A prompt of its own in whole blocks: nothing of another test is in it. */
let salt = 1_000;
function promptOf(blocks: number): number[] {
	const start = (salt += 1_000);
	return Array.from({ length: 16 * blocks }, (_, index) => start + index);
}

/** Sends a prompt to the replica itself, which computes and caches it. */
async function prefill({ url }: SimulatedReplica, prompt: readonly number[], more: object = {}): Promise<void> {
	const response = await fetch(`${url}/v1/completions`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ model: MODEL, prompt, max_tokens: 1, ...more }),
	});
	expect(response.status).toBe(200);
	await response.arrayBuffer();
}

async function heldBy(name: string, prompt: readonly number[] | object): Promise<number> {
	// What was sent to the replica itself has no salt.
	const asked = Array.isArray(prompt) ? { tokens: prompt, cache_salt: null } : prompt;
	const response = await gateway.post("/kv/lookup", { model: MODEL, ...asked });
	expect(response.status).toBe(200);
	const { data } = (await response.json()) as { data: readonly HeldRow[] };
	return data.find(({ replica }) => replica === name)?.tokens ?? 0;
}

const becomes = (name: string, prompt: readonly number[] | object, tokens: number) =>
	until(`${name} holds ${tokens} tokens`, async () => (await heldBy(name, prompt)) === tokens);

async function stats(name: string) {
	const { ranks } = (await (await gateway.get(`/kv/stats?model=${MODEL}`)).json()) as KvStats;
	return ranks.find(({ replica }) => replica === name);
}

test.for(REPLICAS)("%s: what it caches is known, what it clears is forgotten", async (name) => {
	const replica = gateway.simulator.replica(name);
	const prompt = promptOf(40);
	await prefill(replica, prompt);
	await becomes(name, prompt, 640);
	expect(await heldBy(name, [...prompt.slice(0, 320), ...promptOf(4)])).toBe(320);
	expect(await heldBy(name, promptOf(4))).toBe(0);
	for (const other of REPLICAS) if (other !== name) expect(await heldBy(other, prompt)).toBe(0);
	await fetch(`${replica.url}/reset_prefix_cache`, { method: "POST" });
	await becomes(name, prompt, 0);
	expect(await stats(name)).toMatchObject({ clears: 1, gaps: 0, orphans: 0, topic: null });
});

test("a prompt of tokens is expected where an engine told that it holds it, though the gateway never sent it there", async () => {
	let met = 0;
	// SGLang's events leave out the salt, so that what it holds of a tenant's prompts is not found.
	for (const name of REPLICAS.filter((each) => !each.endsWith("sglang"))) {
		const prompt = promptOf(60);
		// As the engine sees what this tenant sends.
		await prefill(gateway.simulator.replica(name), prompt, { cache_salt: "isobar:tenant:test:" });
		await becomes(name, { tokens: prompt }, 960);
		const answer = await gateway.post("/completions", {
			model: MODEL,
			prompt: [...prompt, ...promptOf(2)],
			max_tokens: 1,
		});
		const { usage } = (await answer.json()) as { usage: { prompt_tokens_details: { cached_tokens: number } } };
		const { decision } = await gateway.record(answer);
		for (const row of decision!) expect(row).toMatchObject({ expected_cached_tokens: row.replica === name ? 960 : 0 });
		// Another one may have turned out so much faster that computing anew there is better.
		if (answer.headers.get("x-isobar-replica") !== name) continue;
		met++;
		expect(usage.prompt_tokens_details.cached_tokens).toBe(960);
	}
	expect(met).toBeGreaterThan(0);
});

test("a chat is found by its messages, as the engine's own template makes them tokens", async () => {
	const messages = [{ role: "user", content: `${MARK} ${"many words ".repeat(200)}` }];
	const response = await gateway.chat(MODEL, { messages, max_tokens: 1 });
	const name = response.headers.get("x-isobar-replica")!;
	const { usage } = (await response.json()) as { usage: { prompt_tokens: number } };
	await becomes(name, { messages }, Math.floor(usage.prompt_tokens / 16) * 16);
	expect(await heldBy(name, { messages: [{ role: "user", content: "x" }] })).toBe(0);
});

test("a replica that sends no events is told of by what was sent there, to that tenant's key", async () => {
	const messages = [{ role: "user", content: `${MARK} ${"other words ".repeat(500)}` }];
	const response = await gateway.chat(SILENT, { messages, max_tokens: 1 });
	const { usage } = (await response.json()) as { usage: { prompt_tokens: number } };
	const ask = async (body: object, key = gateway.key) => {
		const answer = await gateway.post("/kv/lookup", { model: SILENT, ...body }, { key });
		return ((await answer.json()) as { data: readonly HeldRow[] }).data;
	};
	const [row] = await until("it is known", async () => {
		const data = await ask({ messages });
		return data.length > 0 && data;
	});
	expect(row).toMatchObject({ source: "index", replica: "silent/a" });
	expect(row!.tokens).toBeGreaterThan(0.8 * usage.prompt_tokens);
	expect(row!.tokens).toBeLessThan(usage.prompt_tokens);
	const other = await gateway.createKey({ tenant: "other", kv_lookup: true });
	expect(await ask({ messages }, other)).toEqual([]);
	expect(await ask({ messages, cache_salt: null })).toEqual([]);
	// A prompt of tokens likewise.
	const tokens = promptOf(64);
	await (await gateway.post("/completions", { model: SILENT, prompt: tokens, max_tokens: 1 })).arrayBuffer();
	await until("the tokens are known", async () => (await ask({ tokens }))[0]?.tokens === 1_023);
});

test("a salted prompt is found with its salt only", async () => {
	const name = REPLICAS[2]!;
	const prompt = promptOf(8);
	await prefill(gateway.simulator.replica(name), prompt, { cache_salt: "tenant-1" });
	await becomes(name, { tokens: prompt, cache_salt: "tenant-1" }, 128);
	expect(await heldBy(name, prompt)).toBe(0);
	expect(await heldBy(name, { tokens: prompt, cache_salt: "tenant-2" })).toBe(0);
});

test("batches that got lost on the way are replayed", async () => {
	const name = REPLICAS[1]!;
	const replica = gateway.simulator.replica(name);
	const lost = promptOf(8);
	const before = forwarders.get(name)!.forwarder.counts;
	replica.kvEvents!.lose(1);
	await prefill(replica, lost);
	await prefill(replica, promptOf(1));
	await becomes(name, lost, 128);
	const after = forwarders.get(name)!.forwarder.counts;
	expect(after.gaps - before.gaps).toBe(1);
	expect(after.replayed).toBeGreaterThan(before.replayed);
	expect(await stats(name)).toMatchObject({ gaps: 1, resets: 0 });
});

test("a restarted engine begins anew, even when it is further than the last life was", async () => {
	const name = REPLICAS[3]!;
	const replica = gateway.simulator.replica(name);
	const old = promptOf(8);
	await prefill(replica, old);
	await becomes(name, old, 128);
	const { published } = replica.kvEvents!;
	replica.reset();
	replica.kvEvents!.lose(published + 2);
	const prompts = Array.from({ length: published + 3 }, () => promptOf(2));
	for (const prompt of prompts) await prefill(replica, prompt);
	await becomes(name, prompts.at(-1)!, 32);
	await becomes(name, prompts[0]!, 32);
	expect(await heldBy(name, old)).toBe(0);
	expect((await stats(name))!.resets).toBeGreaterThan(0);
});

test("the program itself brings what the engine still has, and ends when it is told to", async () => {
	const name = REPLICAS[2]!;
	const replica = gateway.simulator.replica(name);
	await forwarders.get(name)!.stop();
	const prompt = promptOf(8);
	await prefill(replica, prompt);
	expect(await heldBy(name, prompt)).toBe(0);
	const { endpoint, replayEndpoint } = replica.kvEvents!;
	const args = ["--gateway", gateway.isobar.url, "--replica", name, "--events", endpoint, "--replay", replayEndpoint!];
	const program = spawn(process.execPath, ["clients/kv-forwarder/src/main.ts", ...args], {
		env: { ...process.env, ISOBAR_EVENTS_KEY: POOL_KEY },
		stdio: ["ignore", "ignore", "pipe"],
	});
	let printed = "";
	program.stderr.on("data", (chunk) => (printed += chunk));
	const ended = new Promise((resolve) => program.once("exit", (code) => resolve(code)));
	try {
		await becomes(name, prompt, 128);
		const later = promptOf(8);
		await prefill(replica, later);
		await becomes(name, later, 128);
		expect(await stats(name)).toMatchObject({ resets: 0 });
	} finally {
		program.kill("SIGTERM");
	}
	expect(await ended).toBe(0);
	expect(printed).toContain('"event":"counts"');
	expect(printed).not.toContain(POOL_KEY);
	forwarders.set(name, forward(name));
});

test("without a replay endpoint a gap makes the gateway begin anew", async () => {
	const name = REPLICAS[1]!;
	const replica = gateway.simulator.replica(name);
	await forwarders.get(name)!.stop();
	forwarders.set(name, forward(name, { replay: false }));
	await until(
		"connected",
		() => logged.filter((line) => line.includes(name) && line.includes("connected")).length === 2,
	);
	const [first, lost, last] = [promptOf(8), promptOf(8), promptOf(8)];
	await prefill(replica, first);
	await becomes(name, first, 128);
	replica.kvEvents!.lose(1);
	await prefill(replica, lost);
	await prefill(replica, last);
	await becomes(name, last, 128);
	expect(await heldBy(name, first)).toBe(0);
	expect(await heldBy(name, lost)).toBe(0);
});
