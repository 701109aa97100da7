import { expect, test } from "vitest";
import { ClientError, RequestError } from "../../../clients/typescript/src/errors.ts";
import { FakeRun, refusal } from "./fake-run.ts";

const fine = () => Response.json({ fine: true });
const broken = () => {
	throw new TypeError("fetch failed");
};
const body = new TextEncoder().encode("{}");

test("a request is signed as the Worker wants it, with a nonce where it is asked for", async () => {
	const run = new FakeRun(fine);
	const transport = await run.transport();
	await transport.json({ method: "GET", path: "/task?wait=30&loss=0.5" });
	await transport.json({ method: "POST", path: "/updates/1.cl_1/commit", body, hasNonce: true });
	await transport.json({ method: "POST", path: "/clients", body, keyid: "other" });
	expect(run.signatures).toMatchObject([{ keyid: "cl_1", nonce: null }, { keyid: "cl_1" }, { keyid: "other" }]);
	expect(run.signatures[1]!.nonce).toMatch(/^[\w-]{16,64}$/);
	expect(new TextDecoder().decode(run.signatures[0]!.base)).toContain(
		'"@authority": isobar.example.com\n"@path": /v1/runs/run_1/task\n"@query": ?wait=30&loss=0.5\n',
	);
});

test("what may pass is tried again, each time with another nonce", async () => {
	const cut = () => new Response('{"fine":', { headers: { "content-type": "application/json" } });
	const unavailable = () => refusal(503, "run_unavailable", 0, { "x-should-retry": "true" });
	const run = new FakeRun(broken, unavailable, cut, () => refusal(409, "nonce_replayed"), fine);
	const transport = await run.transport();
	expect(await transport.json({ method: "POST", path: "/clients", body, hasNonce: true })).toEqual({ fine: true });
	expect(new Set(run.signatures.map(({ nonce }) => nonce)).size).toBe(5);
	expect(run.events.map(({ type }) => type)).toEqual(["retrying", "retrying", "retrying", "retrying"]);
});

test("what the run says no to is thrown at once, with its code and details", async () => {
	const run = new FakeRun(() => refusal(409, "parts_missing", 0, { "x-should-retry": "false" }));
	const transport = await run.transport();
	const error: unknown = await transport.json({ method: "GET", path: "/task" }).catch((thrown: unknown) => thrown);
	expect(error).toBeInstanceOf(RequestError);
	expect(error).toMatchObject({
		status: 409,
		code: "parts_missing",
		details: { of: "parts_missing" },
		mayRetry: false,
	});
	expect(run.requests).toHaveLength(1);
});

test("Retry-After is waited for, and a request is given up after its time", async () => {
	const later = () => refusal(429, "rate_limited", 0, { "retry-after": "3" });
	const run = new FakeRun(later);
	const transport = await run.transport({ giveUp: 2 });
	await expect(transport.json({ method: "GET", path: "/task" })).rejects.toMatchObject({ code: "rate_limited" });
	expect(run.requests).toHaveLength(1);
	const other = new FakeRun(later, fine);
	const start = performance.now();
	await (await other.transport()).json({ method: "GET", path: "/task" });
	expect(performance.now() - start).toBeGreaterThan(2_900);
});

test.each([-4_000, 4_000])("a clock that is %d s off is set by the run's", async (clockAhead) => {
	const run = new FakeRun(fine);
	run.clockAhead = clockAhead;
	const transport = await run.transport();
	await transport.json({ method: "GET", path: "/task" });
	await transport.json({ method: "GET", path: "/task" });
	expect(run.events).toHaveLength(1);
});

test("signatures that expire although the clocks agree end a request", async () => {
	const run = new FakeRun(() => refusal(401, "signature_expired"));
	await expect((await run.transport()).json({ method: "GET", path: "/task" })).rejects.toMatchObject({
		code: "signature_expired",
	});
	expect(run.requests).toHaveLength(1);
});

test("a signal ends a request, and the pause before the next try", async () => {
	const run = new FakeRun(broken);
	const transport = await run.transport({ first: 100, max: 100, giveUp: 1_000 });
	const asked = transport.json({ method: "GET", path: "/task" });
	setTimeout(() => run.abort.abort(new Error("enough")), 20);
	await expect(asked).rejects.toThrow("enough");
	await expect(transport.json({ method: "GET", path: "/task" })).rejects.toThrow("enough");
	expect(run.requests).toHaveLength(1);
});

test("what this client finds wrong in an answer is not asked for again", async () => {
	const run = new FakeRun(fine);
	const wrong = new ClientError("answer_invalid", "wrong");
	await expect((await run.transport()).request({ method: "GET", path: "/" }, () => Promise.reject(wrong))).rejects.toBe(
		wrong,
	);
	expect(run.requests).toHaveLength(1);
});
