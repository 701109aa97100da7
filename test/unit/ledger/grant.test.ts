import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Room } from "../../../src/shared/ledger/account.ts";
import { times } from "../../../src/shared/ledger/amounts.ts";
import { fits, grantFor } from "../../../src/shared/ledger/grant.ts";
import type { KeyLimits, LedgerRefusal } from "../../../src/shared/ledger/messages.ts";
import { amount, limits, MemoryLedger } from "./memory.ts";

const ENDLESS: Room = {
	day: Infinity,
	month: Infinity,
	total: Infinity,
	requests: Infinity,
	tokens: Infinity,
	slots: Infinity,
};
/** 2026-11-23 00:00:00 UTC. */
const NOW = Date.UTC(2026, 10, 23) / 1_000;

function ask(ledger: MemoryLedger, id: string, keyLimits: KeyLimits, nano: number, tokens = 100, want = 1) {
	const need = amount(nano, tokens);
	return ledger.ask({ lease: id, key: "key_a", limits: keyLimits, need, want, returns: [] }, NOW);
}

function refusal(keyLimits: KeyLimits, nano: number, tokens = 100): LedgerRefusal {
	const ledger = new MemoryLedger();
	ask(ledger, "first", keyLimits, 60, 60);
	const asked = ask(ledger, "second", keyLimits, nano, tokens);
	if (asked.kind !== "short") throw new Error("it fits");
	return asked.refusal;
}

test("what needs nothing of a limit fits in it, though a limit that was lowered leaves less than no room", () => {
	const over: Room = { ...ENDLESS, day: -5, tokens: -1, slots: -3 };
	expect(fits(over, { nano: 0, requests: 1, tokens: 0, slots: 0 })).toBe(true);
	expect(fits(over, { nano: 1, requests: 1, tokens: 0, slots: 0 })).toBe(false);
	expect(fits({ ...over, requests: 0 }, { nano: 0, requests: 1, tokens: 0, slots: 0 })).toBe(false);
	// And is refused for what it does need.
	const ledger = new MemoryLedger();
	const lowered = limits({ dayNano: 100, requestsPerMinute: 1 });
	ask(ledger, "first", lowered, 90);
	const hit = { nano: 0, requests: 1, tokens: 0, slots: 0 };
	const asked = ledger.ask(
		{ lease: "hit", key: "key_a", limits: { ...lowered, dayNano: 50 }, need: hit, want: 1, returns: [] },
		NOW,
	);
	expect(asked).toMatchObject({ kind: "short", refusal: { code: "rate_limited", limit: "requests_per_minute" } });
});

describe("how much a lease takes", () => {
	const part = fc.integer({ min: 0, max: 1e9 });
	const room: fc.Arbitrary<Room> = fc.record({
		day: fc.oneof(part, fc.constant(Infinity)),
		month: fc.oneof(part, fc.constant(Infinity)),
		total: fc.oneof(part, fc.constant(Infinity)),
		requests: fc.oneof(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.constant(Infinity)),
		tokens: fc.oneof(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.constant(Infinity)),
		slots: fc.oneof(fc.nat(1_000), fc.constant(Infinity)),
	});
	const need = fc.record({ nano: fc.nat(1e6), requests: fc.constant(1), tokens: fc.nat(1e6), slots: fc.constant(1) });

	test("always fits when one fits, is a whole number from 1 to what is wanted, and shrinks with the room", () => {
		fc.assert(
			fc.property(room, need, fc.integer({ min: 1, max: 64 }), (left, one, want) => {
				fc.pre(fits(left, one));
				const requests = grantFor(left, one, want);
				expect(Number.isInteger(requests)).toBe(true);
				expect(requests).toBeGreaterThanOrEqual(1);
				expect(requests).toBeLessThanOrEqual(want);
				expect(fits(left, times(one, requests))).toBe(true);
				expect(grantFor({ ...left, day: left.day / 2 }, one, want)).toBeLessThanOrEqual(requests);
			}),
		);
	});

	test("is all that is wanted far from the end, a 32nd of the rest nearer to it, and one request at the end", () => {
		const of = (day: number) => grantFor({ ...ENDLESS, day }, amount(100), 16);
		expect([1e6, 51_200, 51_199, 6_400, 3_200, 100].map(of)).toEqual([16, 16, 15, 2, 1, 1]);
	});

	test("is bounded by each of the limits", () => {
		expect(grantFor({ ...ENDLESS, requests: 64 }, amount(1), 16)).toBe(2);
		expect(grantFor({ ...ENDLESS, tokens: 9_600 }, amount(1), 16)).toBe(3);
		expect(grantFor({ ...ENDLESS, slots: 32 }, amount(1), 16)).toBe(4);
		expect(grantFor({ ...ENDLESS, total: 6_400 }, amount(100), 16)).toBe(2);
		expect(grantFor(ENDLESS, amount(0, 0), 16)).toBe(16);
	});
});

describe("the last nano-dollar", () => {
	test.each(["dayNano", "monthNano", "totalNano"] as const)(
		"%s can be spent exactly, and not passed by one",
		(limit) => {
			const ledger = new MemoryLedger();
			expect(ask(ledger, "a", limits({ [limit]: 100 }), 60).kind).toBe("decided");
			expect(ask(ledger, "b", limits({ [limit]: 100 }), 41).kind).toBe("short");
			expect(ask(ledger, "c", limits({ [limit]: 100 }), 40).kind).toBe("decided");
			expect(ask(ledger, "d", limits({ [limit]: 100 }), 1).kind).toBe("short");
			expect(ask(ledger, "e", limits({ [limit]: 100 }), 0).kind).toBe("decided");
		},
	);

	test("is exact at the largest budget there is", () => {
		const most = 9_000_000 * 1e9;
		const ledger = new MemoryLedger();
		expect(ask(ledger, "a", limits({ totalNano: most }), most - 1).kind).toBe("decided");
		expect(ask(ledger, "b", limits({ totalNano: most }), 2).kind).toBe("short");
		expect(ask(ledger, "c", limits({ totalNano: most }), 1).kind).toBe("decided");
	});
});

describe("a refusal", () => {
	test("names the budget that renews last, what is left of it, and when it renews", () => {
		expect(refusal(limits({ dayNano: 100, monthNano: 150 }), 41)).toEqual({
			code: "budget_exhausted",
			period: "day",
			limitNano: 100,
			leftNano: 40,
			neededNano: 41,
			renewsAt: NOW + 86_400,
		});
		expect(refusal(limits({ dayNano: 100, monthNano: 150 }), 91)).toMatchObject({
			period: "month",
			leftNano: 90,
			renewsAt: Date.UTC(2026, 11, 1) / 1_000,
		});
		expect(refusal(limits({ dayNano: 100, totalNano: 100 }), 91)).toMatchObject({ period: "total", renewsAt: null });
	});

	test("says when a rate allows it again", () => {
		// Of 120 requests a minute all but one are gone: half a second refills one. Of 100 tokens, 60 are gone.
		expect(refusal(limits({ tokensPerMinute: 100 }), 1, 50)).toEqual({
			code: "rate_limited",
			limit: "tokens_per_minute",
			allowed: 100,
			needed: 50,
			retryAfter: 6,
		});
		expect(refusal(limits({ requestsPerMinute: 1 }), 1)).toMatchObject({
			limit: "requests_per_minute",
			retryAfter: 60,
		});
		expect(refusal(limits({ tokensPerMinute: 100 }), 1, 101)).toMatchObject({
			allowed: 100,
			needed: 101,
			retryAfter: 60,
		});
	});

	test("names concurrency last", () => {
		expect(refusal(limits({ concurrency: 1 }), 1)).toEqual({ code: "concurrency_limited", allowed: 1, retryAfter: 1 });
		expect(refusal(limits({ concurrency: 1, dayNano: 60 }), 1)).toMatchObject({ code: "budget_exhausted" });
	});

	test("says whether recalling open leases could help", () => {
		const keyLimits = limits({ dayNano: 64_000 });
		const ledger = new MemoryLedger();
		// The first gets two requests' worth, so one may lie unused; the second takes exactly what it needs.
		expect(ask(ledger, "open", keyLimits, 1_000, 100, 2)).toMatchObject({
			reply: { value: { granted: { nano: 2_000 } } },
		});
		expect(ask(ledger, "once", keyLimits, 60_000).kind).toBe("decided");
		expect(ask(ledger, "a", keyLimits, 4_000)).toMatchObject({ kind: "short", recallable: true });
		expect(ask(ledger, "b", keyLimits, 4_001)).toMatchObject({ kind: "short", recallable: false });
		ledger.mail({ returns: [{ lease: "open", unused: { ...amount(0), requests: 0, tokens: 0, slots: 0 } }] }, NOW);
		expect(ask(ledger, "c", keyLimits, 4_000)).toMatchObject({ kind: "short", recallable: false });
	});
});

test("an amount that is no number is granted as nothing, not as everything", () => {
	const ledger = new MemoryLedger();
	const asked = ask(ledger, "a", limits({ dayNano: 100 }), NaN, NaN, NaN);
	expect(asked).toMatchObject({ reply: { value: { granted: { nano: 0, requests: 1, tokens: 0, slots: 1 } } } });
	expect(ask(ledger, "b", limits({ dayNano: 100 }), Infinity).kind).toBe("short");
});
