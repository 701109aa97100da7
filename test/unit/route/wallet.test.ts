import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Amount, KeyLimits, LeaseReply, LeaseRequest } from "../../../src/shared/ledger/messages.ts";
import type { Hold } from "../../../functions/route/purse.ts";
import { Wallet } from "../../../functions/route/wallet.ts";

const LIMITS: KeyLimits = {
	dayNano: 1_000,
	monthNano: null,
	totalNano: null,
	requestsPerMinute: null,
	tokensPerMinute: null,
	concurrency: null,
};
const keep = (asking: Promise<void>): void => void asking;
const need = (nano: number): Amount => ({ nano, requests: 1, tokens: 10, slots: 1 });

/** A ledger that grants from a budget, `want` at a time while it can. */
class FakeLedger {
	left: number;
	calls = 0;
	readonly granted = new Map<string, number>();
	failing = false;

	constructor(budget: number) {
		this.left = budget;
	}

	readonly ask = async (request: LeaseRequest): Promise<LeaseReply> => {
		this.calls++;
		await Promise.resolve();
		if (this.failing) throw new Error("unreachable");
		for (const { lease, unused } of request.returns) this.take(lease, unused.nano);
		const { nano, tokens } = request.need;
		const times = Math.max(nano <= this.left ? 1 : 0, Math.min(request.want, Math.floor(this.left / 4 / nano)));
		if (times === 0) {
			const refusal = {
				code: "budget_exhausted",
				period: "day",
				limitNano: 0,
				leftNano: this.left,
				neededNano: nano,
				renewsAt: 0,
			} as const;
			return { ok: false, error: refusal };
		}
		this.left -= nano * times;
		this.granted.set(request.lease, nano * times);
		return {
			ok: true,
			value: { granted: { nano: nano * times, requests: times, tokens: tokens * times, slots: times }, seconds: 45 },
		};
	};

	take(lease: string, nano: number): void {
		const back = Math.min(nano, this.granted.get(lease) ?? 0);
		this.granted.delete(lease);
		this.left += back;
	}
}

function rig(budget: number, wantMax = 16) {
	let id = 0;
	let now = 0;
	const ledger = new FakeLedger(budget);
	const wallet = new Wallet({ newId: () => `lease${++id}`, wantMax, idleSeconds: 1, requestSecondsMax: 1_000 });
	const reserve = async (nano: number) => {
		const reserved = wallet.reserve("k", LIMITS, need(nano), ledger.ask, () => now, keep);
		return "ok" in reserved ? reserved : reserved.promise;
	};
	return { ledger, wallet, reserve, advance: (seconds: number) => (now += seconds), now: () => now };
}

describe("drawing", () => {
	test("one call serves many requests while the budget is far from its end", async () => {
		const { ledger, reserve } = rig(100_000);
		const held = await Promise.all(Array.from({ length: 32 }, () => reserve(10)));
		expect(held.every((h) => h.ok)).toBe(true);
		expect(ledger.calls).toBeLessThanOrEqual(3);
	});

	test("leases grow while they are used up, to their bound", async () => {
		const { ledger, reserve } = rig(1e9, 64);
		for (let i = 0; i < 4 + 8 + 16 + 32 + 64 + 64; i++) await reserve(10);
		expect(ledger.calls).toBe(6);
	});

	test("what does not fit is refused, what fits beside it is not", async () => {
		const { reserve } = rig(100, 1);
		const held = await Promise.all([reserve(60), reserve(60), reserve(40)]);
		expect(held.map((h) => h.ok)).toEqual([true, false, true]);
	});

	test("a ledger that cannot be reached fails those who wait, and the lease it may have granted is given back", async () => {
		const { ledger, wallet, reserve, advance, now } = rig(100);
		ledger.failing = true;
		await expect(reserve(10)).rejects.toThrow("unreachable");
		expect(wallet.holdsUnused).toBe(true);
		const [back] = wallet.takeReturns([], now());
		expect(back).toEqual({
			lease: "lease1",
			unused: { nano: Infinity, requests: Infinity, tokens: Infinity, slots: Infinity },
		});
		ledger.failing = false;
		advance(1);
		expect((await reserve(10)).ok).toBe(true);
	});

	test("who waits no longer is given nothing", async () => {
		const { ledger, wallet, now } = rig(100_000);
		const first = wallet.reserve("k", LIMITS, need(10), ledger.ask, now, keep);
		const second = wallet.reserve("k", LIMITS, need(10), ledger.ask, now, keep);
		if ("ok" in first || "ok" in second) throw new Error("at once");
		second.abandon();
		const held = await first.promise;
		if (!held.ok) throw new Error("refused");
		wallet.settled("k", held.value);
		expect(wallet.takeReturns(["lease1"], now())[0]!.unused.requests).toBe(3);
		expect(wallet.isEmpty).toBe(true);
	});

	test("who has asked for all for long is relieved by a newcomer, and asks no more", async () => {
		const { ledger, wallet, advance, now } = rig(100_000, 1);
		const asked: string[] = [];
		const askAs = (name: string) => (request: LeaseRequest) => {
			asked.push(name);
			// While it waits for its call others come, so that it would never be done.
			if (asked.length < 20) void wallet.reserve("k", LIMITS, need(10), askAs(`${name}'`), now, keep);
			return ledger.ask(request);
		};
		const first = wallet.reserve("k", LIMITS, need(10), askAs("first"), now, keep);
		if ("ok" in first) throw new Error("at once");
		advance(10);
		const second = wallet.reserve("k", LIMITS, need(10), askAs("second"), now, keep);
		if ("ok" in second) throw new Error("at once");
		expect((await first.promise).ok).toBe(true);
		expect((await second.promise).ok).toBe(true);
		await new Promise((resolve) => setTimeout(resolve));
		expect(asked.filter((name) => name === "first")).toHaveLength(1);
		expect(asked.filter((name) => name === "second").length).toBeGreaterThan(10);
	});

	test("what was asked for and has not come yet must be given back when nobody wants it any more", async () => {
		const { ledger, wallet, now } = rig(100_000);
		const only = wallet.reserve("k", LIMITS, need(10), ledger.ask, now, keep);
		if ("ok" in only) throw new Error("at once");
		only.abandon();
		expect(wallet.holdsUnused).toBe(true);
		await new Promise((resolve) => setTimeout(resolve));
		expect(wallet.holdsUnused).toBe(true);
		expect(wallet.takeReturns(["lease1"], now())).toHaveLength(1);
		expect(wallet.holdsUnused).toBe(false);
	});

	test("a lease close to its end is not drawn from", async () => {
		const { ledger, reserve, advance } = rig(100_000);
		await reserve(10);
		advance(31);
		await reserve(10);
		expect(ledger.calls).toBe(2);
	});
});

describe("giving back", () => {
	test("a lease that was idle goes back whole, and is forgotten when its requests are settled", async () => {
		const { wallet, reserve, advance, now } = rig(100_000);
		const held = await reserve(10);
		if (!held.ok) throw new Error("refused");
		expect(wallet.takeReturns([], now())).toEqual([]);
		advance(1.1);
		expect(wallet.takeReturns([], now())).toEqual([
			{ lease: "lease1", unused: { nano: 30, requests: 3, tokens: 30, slots: 3 } },
		]);
		expect(wallet.held(now())).toEqual(["lease1"]);
		wallet.settled("k", held.value);
		expect(wallet.isEmpty).toBe(true);
	});

	test("a lease whose request was never settled is not kept alive for ever", async () => {
		const { wallet, reserve, advance, now } = rig(100_000);
		await reserve(10);
		advance(1.1);
		wallet.takeReturns([], now());
		advance(998);
		expect(wallet.held(now())).toEqual(["lease1"]);
		advance(1);
		expect(wallet.held(now())).toEqual([]);
		expect(wallet.isEmpty).toBe(true);
	});

	test("a recall is answered even when nothing is left, and nothing is drawn after it", async () => {
		const { ledger, wallet, reserve, now } = rig(40);
		await reserve(40);
		expect(wallet.takeReturns(["lease1"], now())).toEqual([
			{ lease: "lease1", unused: { nano: 0, requests: 0, tokens: 0, slots: 0 } },
		]);
		expect(wallet.takeReturns(["lease1"], now())).toEqual([]);
		expect((await reserve(1)).ok).toBe(false);
		expect(ledger.calls).toBe(2);
	});
});

test("draws and returns together are exactly what was granted, whatever the order", async () => {
	const step = fc.record({
		kind: fc.constantFrom("reserve", "settle", "idle", "recall"),
		nano: fc.integer({ min: 1, max: 400 }),
	});
	await fc.assert(
		fc.asyncProperty(fc.integer({ min: 0, max: 5_000 }), fc.array(step, { maxLength: 60 }), async (budget, steps) => {
			const { ledger, wallet, reserve, advance, now } = rig(budget);
			const holds: Hold[] = [];
			let spent = 0;
			for (const { kind, nano } of steps) {
				if (kind === "reserve") {
					const held = await reserve(nano);
					if (held.ok) holds.push(held.value);
				} else if (kind === "settle") {
					const hold = holds.pop();
					if (hold) {
						spent += hold.amount.nano;
						ledger.granted.set(hold.lease!, ledger.granted.get(hold.lease!)! - hold.amount.nano);
						wallet.settled("k", hold);
					}
				} else {
					if (kind === "idle") advance(1.1);
					for (const { lease, unused } of wallet.takeReturns(kind === "recall" ? wallet.held(now()) : [], now())) {
						// What is in flight stays with the lease until it is settled.
						ledger.left += unused.nano;
						ledger.granted.set(lease, ledger.granted.get(lease)! - unused.nano);
					}
				}
				const inFlight = holds.reduce((sum, hold) => sum + hold.amount.nano, 0);
				expect(ledger.left + spent + inFlight).toBeLessThanOrEqual(budget);
			}
			advance(10);
			for (const { unused } of wallet.takeReturns([], now())) ledger.left += unused.nano;
			const inFlight = holds.reduce((sum, hold) => sum + hold.amount.nano, 0);
			expect(ledger.left + spent + inFlight).toBe(budget);
			for (const hold of holds) wallet.settled("k", hold);
			expect(wallet.isEmpty).toBe(true);
		}),
		{ numRuns: 150 },
	);
});

test("what takes only a minute's place or only money has leases apart: no lease is closed for the next kind of request", async () => {
	let id = 0;
	const ledger = new FakeLedger(1_000_000);
	const wallet = new Wallet({ newId: () => `lease${++id}`, wantMax: 16, idleSeconds: 1, requestSecondsMax: 1_000 });
	const kinds: Amount[] = [
		need(10),
		{ nano: 0, requests: 1, tokens: 0, slots: 0 },
		{ nano: 7, requests: 0, tokens: 0, slots: 0 },
	];
	for (let i = 0; i < 90; i++) {
		const amount = kinds[i % 3]!;
		const reserved = wallet.reserve("k", LIMITS, amount, ledger.ask, () => 0, keep);
		const hold = "ok" in reserved ? reserved : await reserved.promise;
		if (!hold.ok) throw new Error(hold.error.code);
		expect(hold.value.amount).toEqual(amount);
		wallet.settled("k", hold.value);
	}
	// Thirty of each kind, by leases of 4, 8 and 16 and the rest.
	expect(ledger.calls).toBe(3 * 4);
	wallet.takeReturns([], 2);
	expect(wallet.isEmpty).toBe(true);
});
