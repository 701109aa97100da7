import { describe, expect, test } from "vitest";
import type { LeaseReply } from "../../../src/shared/ledger/messages.ts";
import { amount, LEASE_SECONDS, limits, MemoryLedger, settlement } from "./memory.ts";

const at = (text: string) => Date.parse(text) / 1_000;
const NOON = at("2026-11-30T12:00:00Z");
const EVE = at("2026-11-30T23:59:50Z");
const NEW_DAY = at("2026-12-01T00:00:10Z");

function lease(
	ledger: MemoryLedger,
	id: string,
	nano: number,
	now: number,
	want = 1,
	keyLimits = {},
): LeaseReply | null {
	const request = { lease: id, key: "key_a", limits: limits(keyLimits), need: amount(nano), want, returns: [] };
	const asked = ledger.ask(request, now);
	return asked.kind === "decided" ? asked.reply : null;
}

describe("a settlement", () => {
	test("replaces what was reserved by what it cost, and frees its slot and the tokens it did not use", () => {
		const ledger = new MemoryLedger();
		const keyLimits = { dayNano: 1_000, concurrency: 1, tokensPerMinute: 100 };
		lease(ledger, "l", 500, NOON, 1, keyLimits);
		expect(lease(ledger, "l2", 1, NOON, 1, keyLimits)).toBeNull();
		ledger.mail({ settlements: [settlement("r", "l", amount(500), 200)] }, NOON);
		expect(ledger.spent("key_a", NOON)).toEqual({ day: 200, month: 200, total: 200 });
		expect(ledger.lease("l")).toMatchObject({ state: "ended", held: { nano: 0, slots: 0 } });
		// 100 tokens were reserved and 30 used.
		expect(ledger.account("key_a")?.tokens?.level).toBe(70);
		expect(ledger.account("key_a")?.held.slots).toBe(0);
	});

	test("never charges more than was reserved, and the record says what was charged", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 500, NOON);
		ledger.mail({ settlements: [settlement("r", "l", amount(500), 700)] }, NOON);
		expect(ledger.spent("key_a", NOON).total).toBe(500);
		expect(ledger.records.get("r")?.cost_nano_usd).toBe(500);
	});

	test("without a lease is charged all the same, once", () => {
		const ledger = new MemoryLedger();
		const sent = settlement("r", null, amount(0), 700);
		ledger.mail({ settlements: [sent, sent] }, NOON);
		ledger.mail({ settlements: [sent] }, NOON);
		expect(ledger.spent("key_a", NOON).total).toBe(700);
		expect(ledger.usage("key_a")).toMatchObject([{ requests: 1, cost_nano_usd: 700, prompt_tokens: 10 }]);
		expect(lease(ledger, "l", 301, NOON, 1, { totalNano: 1_000 })).toBeNull();
		expect(lease(ledger, "l", 300, NOON, 1, { totalNano: 1_000 })).toMatchObject({ ok: true });
	});

	test("of a lease that is long forgotten is charged as one without", () => {
		const ledger = new MemoryLedger();
		ledger.mail({ settlements: [settlement("r", "forgotten", amount(500), 200)] }, NOON);
		expect(ledger.spent("key_a", NOON).total).toBe(200);
	});

	test("has what was paid for a start as a line of its own, never over what was paid", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 500, NOON, 3);
		const of = (id: string, cost: number, start: number) => {
			const settled = settlement(id, "l", amount(500), cost);
			return { ...settled, record: { ...settled.record, start_nano_usd: start } };
		};
		ledger.mail({ settlements: [of("r1", 400, 300), of("r2", 900, 800), of("r3", 10, NaN)] }, NOON);
		expect(ledger.usage("key_a")).toMatchObject([{ cost_nano_usd: 910, start_nano_usd: 800 }]);
		expect(ledger.records.get("r2")).toMatchObject({ cost_nano_usd: 500, start_nano_usd: 500 });
	});

	test("whose cost is no number is charged as reserved and holds up no other", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 500, NOON, 2);
		ledger.mail(
			{ settlements: [settlement("r1", "l", amount(500), NaN), settlement("r2", "l", amount(500), 1.5)] },
			NOON,
		);
		expect(ledger.spent("key_a", NOON).total).toBe(502);
	});
});

describe("midnight", () => {
	test("starts the day and the month anew, but what leases hold counts in the new ones", () => {
		const ledger = new MemoryLedger();
		const keyLimits = { dayNano: 1_000, monthNano: 1_000, totalNano: 2_000 };
		lease(ledger, "old", 600, EVE, 1, keyLimits);
		lease(ledger, "settled", 400, EVE, 1, keyLimits);
		ledger.mail({ settlements: [settlement("r1", "settled", amount(400), 400)] }, EVE);
		expect(ledger.spent("key_a", NEW_DAY)).toEqual({ day: 0, month: 0, total: 400 });
		expect(lease(ledger, "l", 401, NEW_DAY, 1, keyLimits)).toBeNull();
		expect(lease(ledger, "l", 400, NEW_DAY, 1, keyLimits)).toMatchObject({ ok: true });
		ledger.mail({ settlements: [settlement("r2", "old", amount(600), 600)] }, NEW_DAY);
		expect(ledger.spent("key_a", NEW_DAY)).toEqual({ day: 600, month: 600, total: 1_000 });
	});

	test("a settlement that comes late and after midnight corrects the day on which its lease was charged", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 100, EVE - LEASE_SECONDS, 2);
		ledger.expire(EVE);
		expect(ledger.spent("key_a", EVE)).toEqual({ day: 200, month: 200, total: 200 });
		expect(ledger.usage("key_a")).toMatchObject([
			{ day: "2026-11-30", model: "", pool: "", unconfirmed_nano_usd: 200 },
		]);
		ledger.mail({ settlements: [settlement("r", "l", amount(100), 30)] }, NEW_DAY);
		expect(ledger.spent("key_a", NEW_DAY)).toEqual({ day: 0, month: 0, total: 130 });
		expect(ledger.usage("key_a")).toMatchObject([
			{ day: "2026-11-30", model: "", cost_nano_usd: 100, unconfirmed_nano_usd: 100, requests: 0 },
			{ day: "2026-11-30", model: "m", cost_nano_usd: 30, unconfirmed_nano_usd: 0, requests: 1 },
		]);
	});
});

describe("a lease's end", () => {
	test("comes when nobody renews it: money is charged, capacity returns", () => {
		const ledger = new MemoryLedger();
		const keyLimits = { dayNano: 1_000, concurrency: 1, requestsPerMinute: 1 };
		lease(ledger, "l", 600, NOON, 1, keyLimits);
		ledger.expire(NOON + LEASE_SECONDS - 1);
		expect(ledger.lease("l")?.state).toBe("live");
		ledger.mail({ renewals: ["l"] }, NOON + 15);
		ledger.expire(NOON + LEASE_SECONDS);
		expect(ledger.lease("l")?.state).toBe("live");
		ledger.expire(NOON + LEASE_SECONDS + 15);
		expect(ledger.lease("l")).toMatchObject({ state: "expired", held: { nano: 600, slots: 0, requests: 0 } });
		const later = NOON + LEASE_SECONDS + 15;
		expect(lease(ledger, "l2", 401, later, 1, keyLimits)).toBeNull();
		expect(lease(ledger, "l2", 400, later, 1, keyLimits)).toMatchObject({ ok: true });
	});

	test("a holder that is late may still give back what it did not spend", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 100, NOON, 3);
		ledger.expire(NOON + LEASE_SECONDS);
		const returned = { lease: "l", unused: { nano: 200, requests: 2, tokens: 200, slots: 2 } };
		ledger.mail({ returns: [returned, returned] }, NOON + 60);
		expect(ledger.spent("key_a", NOON + 60).total).toBe(100);
		expect(ledger.account("key_a")?.held).toEqual({ nano: 0, requests: 0, tokens: 0, slots: 0 });
	});

	test("a return of more than is held gives back what is held and no more", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 100, NOON, 3, { dayNano: 1e6 });
		const all = { nano: Infinity, requests: Infinity, tokens: Infinity, slots: Infinity };
		ledger.mail({ returns: [{ lease: "l", unused: all }] }, NOON);
		expect(ledger.lease("l")?.state).toBe("ended");
		expect(ledger.account("key_a")?.held).toEqual({ nano: 0, requests: 0, tokens: 0, slots: 0 });
		expect(lease(ledger, "l", 100, NOON)).toEqual({
			ok: true,
			value: { granted: { nano: 0, requests: 0, tokens: 0, slots: 0 }, seconds: 0 },
		});
	});

	test("renewing in every mail writes it only now and then", () => {
		const ledger = new MemoryLedger();
		lease(ledger, "l", 100, NOON);
		const before = ledger.lease("l");
		ledger.mail({ renewals: ["l"] }, NOON + 1);
		expect(ledger.lease("l")).toBe(before);
		ledger.mail({ renewals: ["l"] }, NOON + 5);
		expect(ledger.lease("l")?.expiresAt).toBe(NOON + 5 + LEASE_SECONDS);
	});
});
