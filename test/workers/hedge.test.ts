import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Admitted } from "../../functions/route/admit.ts";
import { Beat } from "../../functions/route/beat.ts";
import type { Choice } from "../../functions/route/choice.ts";
import { Hedge } from "../../functions/route/hedge.ts";
import { Neighbourhood } from "../../functions/route/neighbourhood.ts";
import { PoolCall } from "../../functions/route/pool-call.ts";
import { Post } from "../../functions/route/post.ts";
import { readRequest } from "../../functions/route/read-request.ts";
import { RequestTimer } from "../../functions/route/request-timer.ts";
import { steadyMs } from "../../functions/route/steady-clock.ts";
import { buildSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { AssignReply, RankedReplica, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import { settingsFrom } from "../../src/shared/settings.ts";

const MODEL = "hedge-m";
const pool = (id: string) => ({
	id,
	model: MODEL,
	engine: "openai" as const,
	place: { provider: id, region: id },
	price: { per: "million_tokens" as const, input: 1, output: 1 },
	replicas: [{ id: "a", url: `http://${id}.test` }],
});
const catalog = catalogSchema.parse({
	models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 }],
	pools: [pool("slow"), pool("other")],
});
const model = buildSnapshot(1, catalog).models.get(MODEL)!;
const settings = settingsFrom("{}");

const ranked = (id: string): RankedReplica => ({
	replica: `${id}/a`,
	pool: id,
	expectedTtft: 0.1,
	expectedSeconds: 0.2,
	expectedUsd: 0,
});
const explanation = { replicas: [], rejected: [], values: [] };
const assigned: AssignReply = {
	kind: "assigned",
	ranked: [ranked("other")],
	promptTokens: 10,
	outputTokens: 5,
	waited: 0,
	explanation,
};

/** What an isolate has of a streaming request, whose body is the only one that holds what `body` refers to. */
function admitted(bytes: Uint8Array): Admitted {
	const read = readRequest("chat", bytes);
	if (!read.ok) throw new Error(read.error.message);
	return {
		id: "req",
		isolate: {
			id: "isolate",
			settings,
			post: new Post(settings, () => "lease"),
			replicas: new Neighbourhood(() => Date.now() / 1_000, 1),
		},
		key: { id: "k", tenant: "t", budget: {}, limits: {} },
		request: read.value,
		model,
		catalogVersion: 1,
		policy: { priceCeiling: null, regions: null },
		prefix: { chain: { words: new Uint32Array(), unit: "byte" }, salt: "" },
		edge: { name: "FRA" },
		schedulers: { groups: [], shard: 0 },
		choiceTokensMax: 5,
		outputTokensMax: 5,
		hold: { lease: null, amount: { nano: 1e6, requests: 1, tokens: 100, slots: 1 } },
		startedAt: Date.now() / 1_000,
	} as unknown as Admitted;
}

/** A race whose pools answer as `answer` says, by the host's name, until they are aborted; the scheduler gives every hedge a place. */
function race(answer: (host: string) => Response | undefined, after: number) {
	const calls: string[] = [];
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
		const { host } = new URL(new Request(input).url);
		calls.push(host);
		const aborted = new Promise<never>((_, reject) =>
			init!.signal!.addEventListener("abort", () => reject(new Error("aborted"))),
		);
		return answer(host) ?? aborted;
	});
	const told: SchedulerMail[] = [];
	const object = {
		assign: async (_: unknown, mail: SchedulerMail) => (told.push(mail), { replies: [assigned], bills: [] }),
		mail: async (mail: SchedulerMail) => (told.push(mail), []),
	};
	const bindings = { ...env, SCHEDULER: { getByName: () => object } } as unknown as Env;
	const bytes = new TextEncoder().encode(
		JSON.stringify({ model: MODEL, stream: true, messages: [{ role: "user", content: "x".repeat(100_000) }] }),
	);
	const request = admitted(bytes);
	const choice: Choice = {
		scheduler: "s",
		reservation: "req.1",
		replica: ranked("slow"),
		decidedBy: "scheduler",
		promptTokens: 10,
		outputTokens: 5,
		waited: 0,
		explanation,
	};
	const first = new PoolCall(
		choice,
		model.replicas.find(({ name }) => name === "slow/a")!,
		request.hold,
	);
	const beat = new Beat(15, steadyMs(), () => {});
	const client = new AbortController();
	const http = new Request("http://gateway.test", { method: "POST", signal: client.signal });
	const context = { http, hops: "1", env: bindings, beat, timer: new RequestTimer() };
	const ctx = createExecutionContext();
	const hedge = new Hedge(request, first, context, ctx, { after, exclude: [] });
	const ended = () => told.flatMap((mail) => mail.ended);
	return { hedge, beat, ctx, client, calls, ended, prompt: new WeakRef(bytes), replicas: request.isolate.replicas };
}

const EVENT = new TextEncoder().encode(`data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n`);
/** A stream that has begun, and goes on for as long as it is read. */
const begun = (): Response =>
	new Response(new ReadableStream({ start: (controller) => controller.enqueue(EVENT) }), {
		headers: { "content-type": "text/event-stream" },
	});

afterEach(() => vi.restoreAllMocks());

describe("a call that fails beside one that is silent", () => {
	test("gives its place back at once, and its replica is judged", async () => {
		const { hedge, calls, ended, client, ctx, replicas } = race(
			(host) => (host === "other.test" ? new Response(null, { status: 500 }) : undefined),
			0.02,
		);
		const raced = hedge.race();
		await vi.waitFor(() => expect(calls).toEqual(["slow.test", "other.test"]));
		await vi.waitFor(() =>
			expect(ended()).toMatchObject([{ reservation: "req.h", outcome: "failed", failure: "status" }]),
		);
		expect(replicas.isSuspect("other/a")).toBe(true);
		expect([replicas.inFlight("slow/a"), replicas.inFlight("other/a")]).toEqual([1, 0]);
		client.abort();
		expect(await raced).toMatchObject({ result: { kind: "client_gone" } });
		await waitOnExecutionContext(ctx);
		expect(ended()).toHaveLength(1);
	});
});

describe("what was raced", () => {
	test("does not keep the prompt while its answer lasts", async () => {
		const { hedge, beat, prompt } = race(begun, 60);
		const { result } = await hedge.race();
		expect(result.kind).toBe("stream");
		// A look at it would keep it: there is one, after much that has to be thrown away.
		for (let i = 0; i < 30; i++) {
			new Uint8Array(2 ** 24).fill(i);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		expect(prompt.deref() === undefined).toBe(true);
		// Both are there for as long as the stream is.
		expect([beat.dueAt, hedge.dueAt].every((at) => at > 0)).toBe(true);
	});
});
