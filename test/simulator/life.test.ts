import { describe, expect, it } from "vitest";
import { chat, startReplica, until } from "./testing.ts";

const LONG = { messages: [{ role: "user", content: "again and again ".repeat(20) }], max_tokens: 4 };

async function cachedTokens(answer: Response): Promise<unknown> {
	return (
		((await answer.json()) as { usage: { prompt_tokens_details: { cached_tokens: number } | null } }).usage
			.prompt_tokens_details?.cached_tokens ?? 0
	);
}

describe("a cold replica", () => {
	it("is started by its first request; all that come meanwhile wait for the same start", async () => {
		const replica = await startReplica({ startCold: true, speed: 100, behaviour: { coldStartSeconds: 5 } });
		const answers = [chat(replica, LONG), chat(replica, LONG)];
		await until(() => replica.state().parked === 2);
		expect(replica.state()).toMatchObject({ warmth: "starting", starts: 1, inFlight: 2 });
		const statuses = (await Promise.all(answers)).map(({ status }) => status);
		expect(statuses).toEqual([200, 200]);
		expect(replica.state()).toMatchObject({ warmth: "warm", parked: 0, starts: 1 });
	});

	it("answers 503 while it starts if it is told so, and its probes fail without starting it", async () => {
		const behaviour = { whileStarting: "503", coldStartSeconds: 1_000 } as const;
		const replica = await startReplica({ startCold: true, speed: 1, behaviour });
		expect((await fetch(`${replica.url}/health`)).status).toBe(503);
		expect((await fetch(`${replica.url}/ping`)).status).toBe(204);
		expect(replica.state()).toMatchObject({ warmth: "cold", starts: 0 });
		expect((await chat(replica)).status).toBe(503);
		expect((await chat(replica)).status).toBe(503);
		expect(replica.state()).toMatchObject({ warmth: "starting", starts: 1 });
		replica.behave({ cold: false });
		expect((await chat(replica, { max_tokens: 1 })).status).toBe(200);
		expect((await fetch(`${replica.url}/health`)).status).toBe(200);
	});

	it("draws how long a start takes from the log-normal, by its seed", async () => {
		const profile = { coldStart: { medianSeconds: 3, sigma: 0.5 } };
		const replica = await startReplica({ startCold: true, speed: 1_000, profile });
		expect((await chat(replica, LONG)).status).toBe(200);
	});

	it("has lost its cache, and becomes cold by itself when idle for long enough", async () => {
		const replica = await startReplica({ speed: 1_000, behaviour: { coldStartSeconds: 1 } });
		await chat(replica, LONG);
		expect(await cachedTokens(await chat(replica, LONG))).toBe(80);
		replica.behave({ cold: true });
		expect(await cachedTokens(await chat(replica, LONG))).toBe(0);
		expect(replica.state()).toMatchObject({ warmth: "warm", starts: 1 });
		replica.behave({ idleSeconds: 20 });
		await until(() => replica.state().warmth === "cold");
		expect(await cachedTokens(await chat(replica, LONG))).toBe(0);
		expect(replica.state().starts).toBe(2);
	});

	it("forgets a request whose client did not want to wait", async () => {
		const replica = await startReplica({ startCold: true, speed: 1, behaviour: { coldStartSeconds: 1_000 } });
		const leaver = new AbortController();
		const answer = chat(replica, {}, leaver.signal).catch(() => null);
		await until(() => replica.state().parked === 1);
		leaver.abort();
		await answer;
		await until(() => replica.state().inFlight === 0);
		expect(replica.state()).toMatchObject({ parked: 0, aborted: 1 });
	});
});

describe("sleep mode", () => {
	it("holds requests until it is woken, and empties the cache", async () => {
		const replica = await startReplica({ speed: 1_000 });
		const post = (path: string) => fetch(replica.url + path, { method: "POST" });
		const isSleeping = async () => (await fetch(`${replica.url}/is_sleeping`)).json();
		await chat(replica, LONG);
		expect(await isSleeping()).toEqual({ is_sleeping: false });
		expect((await post("/sleep?level=1")).status).toBe(200);
		expect(await isSleeping()).toEqual({ is_sleeping: true });
		const answer = chat(replica, LONG);
		await until(() => replica.state().parked === 1);
		expect((await post("/wake_up")).status).toBe(200);
		expect(await cachedTokens(await answer)).toBe(0);
		expect(await isSleeping()).toEqual({ is_sleeping: false });
	});
});

describe("a replica that is gone", () => {
	it("refuses connections and cuts open ones; it comes back as a new process at the same port", async () => {
		const replica = await startReplica({ speed: 1, profile: { stepSeconds: 1_000 } });
		const started = async () => {
			const text = await (await fetch(`${replica.url}/metrics`)).text();
			return Number(/^process_start_time_seconds (.*)$/m.exec(text)?.[1]);
		};
		const before = await started();
		const open = chat(replica).catch(() => "cut");
		await until(() => replica.state().running === 1);
		replica.behave({ refuse: true });
		expect(await open).toBe("cut");
		const refused = await fetch(`${replica.url}/health`).catch((error: unknown) => error);
		expect(refused).toMatchObject({ cause: { code: "ECONNREFUSED" } });
		replica.behave({ refuse: false });
		await until(() => replica.state().inFlight === 0);
		expect(await started()).toBeGreaterThan(before);
		expect(replica.state()).toMatchObject({ running: 0, promptTokens: 0 });
	});
});

it("adds the round trip of a far pool to every answer", async () => {
	const replica = await startReplica({ speed: 1, behaviour: { latencySeconds: 1_000 } });
	const leaver = new AbortController();
	const answer = fetch(`${replica.url}/health`, { signal: leaver.signal }).catch(() => "waited");
	await new Promise((resolve) => setTimeout(resolve, 30));
	leaver.abort();
	expect(await answer).toBe("waited");
	replica.behave({ latencySeconds: 0 });
	expect((await fetch(`${replica.url}/health`)).status).toBe(200);
});
