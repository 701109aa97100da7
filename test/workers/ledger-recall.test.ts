import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../durable-objects/ledger.ts";
import { minus, NOTHING } from "../../src/shared/ledger/amounts.ts";
import type { LeaseRequest, LedgerMail } from "../../src/shared/ledger/messages.ts";
import { amount, limits, settlement } from "../unit/ledger/memory.ts";

let tenants = 0;

/** A new tenant's ledger that waits as long as `recallSeconds`: a minute, so that no slow machine ends the wait by itself. */
function withLedger(run: (ledger: Ledger) => Promise<void>, recallSeconds = 60): () => Promise<void> {
	const stub = env.LEDGER.getByName(`recall-${tenants++}`);
	return () =>
		runInDurableObject(stub, (_, state) =>
			run(new Ledger(state, { ...env, SETTINGS: JSON.stringify({ recallSeconds }) })),
		);
}

/** A day of 6,400: the first lease of 100 gets two, for at most a 32nd is granted at once. */
function request(lease: string, part: Partial<LeaseRequest> = {}): LeaseRequest {
	return { lease, key: "key_a", limits: limits({ dayNano: 6_400 }), need: amount(100), want: 2, returns: [], ...part };
}

function mail(part: Partial<LedgerMail> = {}): LedgerMail {
	return { settlements: [], returns: [], renewals: [], ...part };
}

/** Whether it has been answered yet, some turns of the event loop later. */
async function isAnswered(reply: Promise<unknown>): Promise<boolean> {
	return await Promise.race([reply.then(() => true), new Promise<false>((no) => setTimeout(() => no(false), 5))]);
}

describe("a request that only fits when another isolate gives back", () => {
	test(
		"waits until that isolate has heard of it and answered, and is then granted",
		withLedger(async (ledger) => {
			expect(await ledger.lease(request("mine"), "one")).toMatchObject({ value: { granted: { nano: 200 } } });
			const waiting = ledger.lease(request("theirs", { need: amount(6_300) }), "two");
			expect(await isAnswered(waiting)).toBe(false);
			expect(await ledger.mail(mail(), "two")).toEqual({ recalled: [] });
			expect(await ledger.mail(mail(), "one")).toEqual({ recalled: ["mine"] });
			expect(await isAnswered(waiting)).toBe(false);
			expect(await ledger.mail(mail({ returns: [{ lease: "mine", unused: amount(100) }] }), "one")).toEqual({
				recalled: [],
			});
			expect(await waiting).toMatchObject({ ok: true, value: { granted: { nano: 6_300 } } });
			expect(ledger.budget("key_a")).toMatchObject({ outstanding: { nano: 6_400 } });
		}),
	);

	test(
		"is refused as soon as all have answered and it still does not fit",
		withLedger(async (ledger) => {
			await ledger.lease(request("mine"), "one");
			const waiting = ledger.lease(request("theirs", { need: amount(6_300) }), "two");
			await ledger.mail(mail({ returns: [{ lease: "mine", unused: NOTHING }] }), "one");
			expect(await waiting).toMatchObject({ ok: false, error: { code: "budget_exhausted", leftNano: 6_200 } });
		}),
	);

	test(
		"is granted by a settlement too, and by the returns that come with a lease call",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const first = ledger.lease(request("b", { need: amount(6_300) }), "two");
			await ledger.mail(mail({ settlements: [settlement("r", "a", amount(100), 0)] }), "one");
			expect(await first).toMatchObject({ ok: true });
			const second = ledger.lease(request("c", { need: amount(100) }), "three");
			expect(await isAnswered(second)).toBe(false);
			const returns = [{ lease: "a", unused: amount(100) }];
			expect(await ledger.lease(request("d", { returns }), "one")).toMatchObject({ ok: false });
			expect(await second).toMatchObject({ ok: true });
		}),
	);

	test(
		"is refused at once when nothing could make it fit",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			await ledger.lease(request("b", { need: amount(6_000), want: 1 }), "one");
			const replies = await Promise.all([
				ledger.lease(request("c", { need: amount(6_401) }), "two"),
				// What "b" holds is for a request at hand; only the 200 of "a" are recallable.
				ledger.lease(request("d", { need: amount(401) }), "two"),
			]);
			expect(replies.map((reply) => reply.ok)).toEqual([false, false]);
		}),
	);

	test(
		"is not waited for longer than the setting, and is then decided on what there is",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const replies = await Promise.all([
				ledger.lease(request("large", { need: amount(6_300) }), "two"),
				ledger.lease(request("small", { need: amount(6_200) }), "two"),
			]);
			expect(replies.map((reply) => reply.ok)).toEqual([false, true]);
		}, 0.03),
	);
});

describe("the queue", () => {
	test(
		"grants exactly what is needed to those that waited, however much is left",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const large = ledger.lease(request("large", { need: amount(6_300) }), "two");
			const small = ledger.lease(request("small", { need: amount(1), want: 16 }), "three");
			await ledger.mail(mail({ returns: [{ lease: "a", unused: NOTHING }] }), "one");
			expect(await large).toMatchObject({ ok: false });
			expect(await small).toMatchObject({ value: { granted: { nano: 1, requests: 1 } } });
			expect(await ledger.lease(request("calm", { need: amount(1), want: 16 }), "three")).toMatchObject({
				value: { granted: { nano: 16 } },
			});
		}),
	);

	test(
		"lets nobody overtake",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const large = ledger.lease(request("large", { need: amount(6_300) }), "two");
			const small = ledger.lease(request("small", { need: amount(50) }), "three");
			expect(await isAnswered(small)).toBe(false);
			await ledger.mail(mail({ returns: [{ lease: "a", unused: { ...amount(200), requests: 2, slots: 2 } }] }), "one");
			expect(await large).toMatchObject({ ok: true });
			expect(await small).toMatchObject({ ok: true, value: { granted: amount(50) } });
			expect(minus(ledger.budget("key_a").outstanding, amount(6_350))).toMatchObject({ nano: 0 });
		}),
	);

	test(
		"a repeated call waits with the first, and a call that was given up is not granted",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const once = ledger.lease(request("b", { need: amount(6_300) }), "two");
			const again = ledger.lease(request("b", { need: amount(6_300) }), "two");
			const gone = ledger.lease(request("c", { need: amount(6_300) }), "two");
			const all = { nano: Infinity, requests: Infinity, tokens: Infinity, slots: Infinity };
			await ledger.mail(mail({ returns: [{ lease: "c", unused: all }] }), "two");
			await ledger.mail(mail({ returns: [{ lease: "a", unused: amount(100) }] }), "one");
			expect(await once).toMatchObject({ ok: true });
			expect(await again).toEqual(await once);
			expect(await gone).toMatchObject({ value: { granted: NOTHING, seconds: 0 } });
			expect(ledger.budget("key_a")).toMatchObject({ outstanding: { nano: 6_400 } });
		}),
	);

	test(
		"of one key does not hold up another",
		withLedger(async (ledger) => {
			await ledger.lease(request("a"), "one");
			const waiting = ledger.lease(request("b", { need: amount(6_300) }), "two");
			expect(await ledger.lease(request("c", { key: "key_b" }), "two")).toMatchObject({ ok: true });
			expect(await isAnswered(waiting)).toBe(false);
			await ledger.mail(mail({ returns: [{ lease: "a", unused: amount(200) }] }), "one");
			expect(await waiting).toMatchObject({ ok: true });
		}),
	);
});
