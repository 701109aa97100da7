import { describe, expect, test, vi } from "vitest";
import type { Admitted } from "../../functions/route/admit.ts";
import { withoutPrompt } from "../../functions/route/admit.ts";
import { Beat } from "../../functions/route/beat.ts";
import { relayStream, type RelayEnd } from "../../functions/route/relay.ts";
import { RequestTimer } from "../../functions/route/request-timer.ts";
import type { OpenStream } from "../../functions/route/upstream.ts";
import { Watchdog } from "../../functions/route/watchdog.ts";
import { SseTap } from "../../src/shared/http/sse.ts";
import { jsonText } from "../../src/shared/http/json-values.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** An answer that has begun, of a pool that says nothing more unless `rest` does. */
function silent(totalSeconds = 600, rest = new ReadableStream<Uint8Array>()) {
	const client = new AbortController();
	const abort = new AbortController();
	client.signal.addEventListener("abort", () => abort.abort());
	const timer = new RequestTimer();
	const held = [bytes("data: {}\n\n")];
	const open: OpenStream = {
		kind: "stream",
		status: 200,
		headers: new Headers(),
		headersAt: 0,
		held,
		reader: rest.getReader(),
		watchdog: new Watchdog(abort, totalSeconds, new Beat(15, Date.now(), () => {}), timer),
		abort,
		client: client.signal,
		startedAt: Date.now(),
		tap: new SseTap(),
		ttft: 0.1,
	};
	const ends: RelayEnd[] = [];
	const body = relayStream(
		open,
		"req",
		{ idleTimeoutSeconds: 60 },
		{ onFirstToken: () => {}, onEnd: (end) => ends.push(end) },
	);
	return { client, abort, body, ends, held, open };
}

describe("an answer that nobody reads any more", () => {
	test("is over when its client hangs up", () => {
		const { client, ends } = silent();
		client.abort();
		expect(ends).toMatchObject([{ outcome: "client_gone", error: null }]);
	});

	test("is over when its time is", async () => {
		const { open, ends } = silent(0.05);
		open.watchdog.expect("idle", 60);
		await vi.waitFor(() => expect(ends).toMatchObject([{ outcome: "cut", error: { code: "upstream_timeout" } }]));
	});
});

test("what a pool sends in the moment in which its time is over is not passed on, since nobody counted it", async () => {
	const late = `data: {"choices":[{"index":0,"delta":{"content":"late"}}]}\n\n`;
	let abort = new AbortController();
	const rest = new ReadableStream<Uint8Array>(
		{
			pull(controller) {
				controller.enqueue(bytes(late));
				controller.close();
				abort.abort(new Error("total time-out"));
			},
		},
		{ highWaterMark: 0 },
	);
	const answer = silent(600, rest);
	abort = answer.abort;
	const text = await new Response(answer.body).text();
	expect(answer.ends).toMatchObject([{ outcome: "cut", tokenEvents: 0 }]);
	expect(text).not.toContain("late");
	expect(text).toContain(`"code":"upstream_cut"`);
});

describe("what an answer no longer needs", () => {
	test("is not kept while it lasts: chunks that were passed on", async () => {
		const { body, held } = silent();
		expect((await body.getReader().read()).value).toEqual(bytes("data: {}\n\n"));
		expect(held).toEqual([]);
	});

	test("is not kept while it lasts: the prompt", () => {
		const json = jsonText(bytes(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`));
		const request = { endpoint: "chat", model: "m", json, members: [{ name: "model" }] };
		const chains = { salted: new Uint32Array(8), plain: new Uint32Array(8) };
		const prefix = { chain: { words: new Uint32Array(8) }, tokenChains: chains, salt: "tenant:t" };
		const lean = withoutPrompt({ id: "r", request, prefix } as unknown as Admitted);
		expect(lean).toMatchObject({ id: "r", request: { endpoint: "chat", model: "m", members: [] } });
		expect(lean.request.json.bytes.length + lean.request.json.text.length + lean.prefix.chain.words.length).toBe(0);
		expect(lean.prefix).toMatchObject({ salt: "tenant:t", tokenChains: undefined });
	});
});
