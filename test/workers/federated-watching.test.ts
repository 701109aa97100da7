import { beforeAll, expect, test, vi } from "vitest";
import { SELF } from "cloudflare:test";
import { newNonce, type Json, type TestOperator } from "../support/federated-client.ts";
import { newOperator, URL } from "./federated-support.ts";

let operator: TestOperator;
beforeAll(async () => {
	operator = await newOperator();
});

const count = (count: number): object => ({ flush: { when: "count", count } });

/** Reads events until one of this kind has come. */
async function eventsUntil(response: Response, kind: string): Promise<{ id: number; event: string; data: Json }[]> {
	const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	while (!text.includes(`event: ${kind}\n`) || !text.endsWith("\n\n")) {
		const { value, done } = await reader.read();
		if (done) break;
		text += value;
	}
	await reader.cancel();
	return text
		.split("\n\n")
		.filter((each) => each.startsWith("id: "))
		.map((each) => {
			const [id = "", event = "", data = ""] = each.split("\n").map((line) => line.slice(line.indexOf(" ") + 1));
			return { id: Number(id), event, data: JSON.parse(data) };
		});
}

test("events tell a round from its joins to its version, and go on after Last-Event-ID", async () => {
	const run = await operator.startRun(count(1), Float32Array.of(0));
	const client = await operator.join(run);
	const stream = await operator.raw("GET", `/v1/runs/${run}/events`);
	expect(stream.headers.get("content-type")).toBe("text/event-stream");
	const reading = eventsUntil(stream, "round_opened");
	await client.contribute(Float32Array.of(1), { loss: 0.5 });
	const events = await reading;
	expect(events.map(({ event }) => event)).toEqual([
		"state",
		"version",
		"state",
		"client_joined",
		"update_pending",
		"flush_started",
		"version",
		"round_opened",
	]);
	const joined = events.find(({ event }) => event === "client_joined")!;
	expect(joined.data).toMatchObject({ client: client.id, at: expect.any(Number) });
	const headers = { "last-event-id": String(joined.id) };
	const again = await eventsUntil(await operator.raw("GET", `/v1/runs/${run}/events`, { headers }), "round_opened");
	expect(again).toEqual(events.slice(4));
});

test("rounds and participation say who did what, with norms, losses and the clients' own metrics", async () => {
	const run = await operator.startRun(count(2), Float32Array.of(0, 0));
	const [a, b] = [await operator.join(run), await operator.join(run)];
	await a.contribute(Float32Array.of(3, 4), { examples: 3, loss: 1, metrics: { accuracy: 0.5 } });
	await b.contribute(Float32Array.of(0, 0), { examples: 1, loss: 5, metrics: { accuracy: 0.9 } });
	await operator.untilVersion(run, 1);
	const { data } = (await operator.call("GET", `/v1/runs/${run}/rounds`)).body;
	expect(data[0]).toMatchObject({
		round: 1,
		version: 1,
		updates: 2,
		examples: 4,
		norm_max: 5,
		norm_mean: 2.5,
		loss: 2,
	});
	expect(data[0].metrics.accuracy).toBeCloseTo(0.6, 9);
	expect(data[1]).toMatchObject({ round: 2, version: null, closed_at: null });
	const { data: members } = (await operator.call("GET", `/v1/runs/${run}/participation`)).body;
	expect(members.find(({ client }: Json) => client === a.id)).toMatchObject({
		tasks: 1,
		accepted: 1,
		examples: 3,
		loss: 1,
	});
});

test("a socket is opened with a ticket, once, and tells of tasks as they come", async () => {
	const run = await operator.startRun(count(1), Float32Array.of(0));
	const client = await operator.join(run);
	const { ticket } = (await client.call("POST", "/tickets")).body;
	const open = (): Promise<Response> =>
		SELF.fetch(`${URL}/v1/runs/${run}/socket?ticket=${ticket}`, { headers: { upgrade: "websocket" } });
	const response = await open();
	expect(response.status).toBe(101);
	const socket = response.webSocket!;
	const messages: Json[] = [];
	socket.addEventListener("message", ({ data }) => messages.push(data === "pong" ? data : JSON.parse(String(data))));
	socket.accept();
	await vi.waitFor(() => expect(messages[0]).toMatchObject({ type: "task", task: { round: 1 } }), 5_000);
	await client.contribute(Float32Array.of(1));
	await vi.waitFor(() => expect(messages.at(-1)).toMatchObject({ task: { round: 2, base: { version: 1 } } }), 5_000);
	socket.send("ping");
	await vi.waitFor(() => expect(messages).toContain("pong"), 5_000);
	const again = await open();
	expect(again.status).toBe(401);
	expect(((await again.json()) as Json).error.code).toBe("ticket_invalid");
	const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
	await operator.call("DELETE", `/v1/runs/${run}/clients/${client.id}`);
	expect(await closed).toMatchObject({ code: 4003 });
});

test("selection by count gives so many tasks a round, by loss those with the highest", async () => {
	const some = await operator.startRun({ ...count(2), selection: { by: "count", count: 2 } }, Float32Array.of(0));
	const clients = [await operator.join(some), await operator.join(some), await operator.join(some)];
	const tasks = [];
	for (const client of clients) tasks.push((await client.call("GET", "/task")).body);
	expect(tasks.map(({ task, reason }) => task?.round ?? reason)).toEqual([1, 1, "not_selected"]);

	const worst = await operator.startRun(
		{ ...count(1), selection: { by: "loss", count: 1, loss_max: 10 } },
		Float32Array.of(0),
	);
	const [low, high] = [await operator.join(worst), await operator.join(worst)];
	await high.call("GET", "/task?loss=1e9");
	expect((await low.call("GET", "/task?loss=0.1")).body.reason).toBe("not_selected");
	expect((await high.call("GET", "/task")).body.task).toMatchObject({ round: 1 });
});

test("updates over the norm that the run takes are refused, and may be mended", async () => {
	const run = await operator.startRun({ ...count(1), limits: { update_norm_max: 2 } }, Float32Array.of(0));
	const client = await operator.join(run);
	const { update } = await client.task();
	const large = await client.commit(update, await client.putParts(update, Float32Array.of(3)));
	expect(large).toMatchObject({
		status: 422,
		body: { error: { code: "norm_too_large", details: { norm: 3, limit: 2 } } },
	});
	const fine = await client.commit(
		update,
		await client.putParts(update, Float32Array.of(2)),
		{},
		{ nonce: newNonce() },
	);
	expect(fine.body.state).toBe("pending");
});

test("any page may call: preflights are answered, and errors have the headers too", async () => {
	const preflight = await SELF.fetch(`${URL}/v1/runs/x/task`, { method: "OPTIONS" });
	expect(preflight.status).toBe(204);
	expect(preflight.headers.get("access-control-allow-headers")).toContain("signature-input");
	const refused = await SELF.fetch(`${URL}/v1/runs/x/task`);
	expect(refused.status).toBe(401);
	expect(refused.headers.get("access-control-allow-origin")).toBe("*");
	await refused.body?.cancel();
});

test("who is expelled hears it at once, by socket and where it waits, and so does who may have its place", async () => {
	const selection = { by: "count", count: 1 };
	const run = await operator.startRun({ ...count(1), selection, staleness_max: 1 }, Float32Array.of(0));
	const [bad, idle, other] = [await operator.join(run), await operator.join(run), await operator.join(run)];
	await bad.task();
	const { ticket } = (await bad.call("POST", "/tickets")).body;
	const response = await SELF.fetch(`${URL}/v1/runs/${run}/socket?ticket=${ticket}`, {
		headers: { upgrade: "websocket" },
	});
	const socket = response.webSocket!;
	const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
	socket.accept();
	const start = Date.now();
	const expelled = idle.call("GET", "/task?wait=20");
	const waiting = other.task("?wait=20");
	await new Promise((resolve) => setTimeout(resolve, 300));
	await operator.call("DELETE", `/v1/runs/${run}/clients/${idle.id}`);
	expect((await expelled).body).toMatchObject({ task: null, reason: "expelled" });
	await operator.call("DELETE", `/v1/runs/${run}/clients/${bad.id}`);
	expect(await closed).toMatchObject({ code: 4003 });
	expect(await waiting).toMatchObject({ round: 1 });
	expect(Date.now() - start).toBeLessThan(10_000);
});

test("a page may read when an answer was made, by which it sets its clock", async () => {
	const response = await SELF.fetch(`${URL}/v1/runs/none/task`);
	expect(response.headers.get("access-control-expose-headers")!.split(", ")).toContain("date");
	await response.body?.cancel();
});
