import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { minus, NOTHING } from "../../../src/shared/ledger/amounts.ts";
import type { Amount, KeyLimits, LeaseRequest, LeaseReturn, Settlement } from "../../../src/shared/ledger/messages.ts";
import { dayOf, monthOf } from "../../../src/shared/ledger/periods.ts";
import { MemoryLedger, record } from "./memory.ts";

/** 2026-11-30 23:59:00 UTC: a minute before both a midnight and a month's end. */
const START = Date.UTC(2026, 10, 30, 23, 59) / 1_000;
const KEYS = ["key_a", "key_b"] as const;
type KeyId = (typeof KEYS)[number];

interface Purse {
	readonly id: string;
	readonly key: KeyId;
	left: Amount;
	closed: boolean;
}
interface Flight {
	readonly lease: string;
	readonly key: KeyId;
	readonly reserved: Amount;
}

type Op =
	| { op: "ask"; key: KeyId; nano: number; tokens: number; want: number }
	| { op: "start"; pick: number }
	/** With a second flight of the same key as its hedge, where there is one and `lost` says what was called off. */
	| { op: "settle"; pick: number; cost: number; tokens: number; lost: number | null; won: boolean }
	| { op: "close"; pick: number }
	| { op: "giveUp" }
	| { op: "renew"; pick: number }
	| { op: "repeat"; pick: number }
	| { op: "wait"; seconds: number }
	| { op: "expire" };

const op: fc.Arbitrary<Op> = fc.oneof(
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constant("ask" as const),
			key: fc.constantFrom(...KEYS),
			// Hundreds, like the budgets, so that the last request often fits exactly.
			nano: fc.integer({ min: 0, max: 4 }).map((n) => n * 100),
			tokens: fc.integer({ min: 0, max: 300 }),
			want: fc.integer({ min: 0, max: 20 }),
		}),
	},
	{ weight: 5, arbitrary: fc.record({ op: fc.constant("start" as const), pick: fc.nat() }) },
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constant("settle" as const),
			pick: fc.nat(),
			cost: fc.integer({ min: 0, max: 6 }).map((n) => n * 100),
			tokens: fc.integer({ min: 0, max: 400 }),
			lost: fc.option(fc.integer({ min: 0, max: 6 }).map((n) => n * 100)),
			won: fc.boolean(),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ op: fc.constant("close" as const), pick: fc.nat() }) },
	{ weight: 1, arbitrary: fc.record({ op: fc.constant("giveUp" as const) }) },
	{ weight: 1, arbitrary: fc.record({ op: fc.constant("renew" as const), pick: fc.nat() }) },
	{ weight: 3, arbitrary: fc.record({ op: fc.constant("repeat" as const), pick: fc.nat() }) },
	{
		weight: 2,
		arbitrary: fc.record({
			op: fc.constant("wait" as const),
			// A clock that steps back, a moment, past a lease's life, over a midnight, over a month's end.
			seconds: fc.constantFrom(-40, 0.3, 20, 50, 86_400, 31 * 86_400),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ op: fc.constant("expire" as const) }) },
);

const someLimits: fc.Arbitrary<KeyLimits> = fc.record({
	dayNano: fc.option(fc.integer({ min: 0, max: 20 }).map((n) => n * 100)),
	monthNano: fc.option(fc.integer({ min: 0, max: 40 }).map((n) => n * 100)),
	totalNano: fc.option(fc.integer({ min: 0, max: 100 }).map((n) => n * 100)),
	requestsPerMinute: fc.option(fc.integer({ min: 1, max: 200 })),
	tokensPerMinute: fc.option(fc.integer({ min: 1, max: 20_000 })),
	concurrency: fc.option(fc.integer({ min: 1, max: 40 })),
});

/** Holders that keep to the contract, over a network that repeats what it likes, against a ledger that expires as it likes. */
class World {
	readonly ledger = new MemoryLedger();
	readonly #limits: Readonly<Record<KeyId, KeyLimits>>;
	readonly #purses: Purse[] = [];
	readonly #flights: Flight[] = [];
	readonly #sent: { settlement?: Settlement; returned?: LeaseReturn; asked?: LeaseRequest }[] = [];
	readonly #settled = { key_a: 0, key_b: 0 };
	readonly #hedged = { key_a: 0, key_b: 0 };
	#now = START;
	#ids = 0;

	constructor(keyLimits: Readonly<Record<KeyId, KeyLimits>>) {
		this.#limits = keyLimits;
	}

	run(step: Op): void {
		const { ledger } = this;
		switch (step.op) {
			case "ask":
				return this.#ask(step);
			case "start": {
				const purse = pick(this.#purses, step.pick);
				if (!purse || purse.closed) return;
				const granted = ledger.lease(purse.id)?.granted ?? NOTHING;
				const times = Math.max(1, granted.requests);
				const reserved = {
					nano: granted.nano / times,
					requests: 1,
					tokens: granted.tokens / times,
					slots: granted.slots / times,
				};
				if (purse.left.requests < 1) return;
				purse.left = minus(purse.left, reserved);
				this.#flights.push({ lease: purse.id, key: purse.key, reserved });
				return;
			}
			case "settle": {
				if (this.#flights.length === 0) return;
				const [flight] = this.#flights.splice(step.pick % this.#flights.length, 1);
				if (flight) this.#settle(flight, step.cost, step.tokens, step);
				return;
			}
			case "close": {
				const purse = pick(this.#purses, step.pick);
				if (purse && !purse.closed) this.#close(purse);
				return;
			}
			case "giveUp": {
				const id = `lease-${this.#ids++}`;
				ledger.mail({ returns: [{ lease: id, unused: all }] }, this.#now);
				const asked = ledger.ask(this.#request(id, "key_a", 10, 10, 1), this.#now);
				expect(asked).toMatchObject({ reply: { ok: true, value: { granted: NOTHING, seconds: 0 } } });
				return;
			}
			case "renew": {
				const purse = pick(this.#purses, step.pick);
				if (purse) ledger.mail({ renewals: [purse.id] }, this.#now);
				return;
			}
			case "repeat":
				return this.#repeat(step.pick);
			case "wait":
				this.#now += step.seconds;
				return;
			case "expire":
				return ledger.expire(this.#now);
		}
	}

	/** What must hold after every step. */
	check(): void {
		const { ledger } = this;
		for (const key of KEYS) {
			const account = ledger.account(key);
			if (!account) continue;
			const { dayNano, monthNano, totalNano, concurrency, requestsPerMinute, tokensPerMinute } = this.#limits[key];
			const held = ledger.held(key);
			expect(account.held).toEqual(held);
			const spent = ledger.spent(key, this.#now);
			expect(spent.day + held.nano).toBeLessThanOrEqual(dayNano ?? Infinity);
			expect(spent.month + held.nano).toBeLessThanOrEqual(monthNano ?? Infinity);
			expect(spent.total + held.nano).toBeLessThanOrEqual(totalNano ?? Infinity);
			expect(held.slots).toBeLessThanOrEqual(concurrency ?? Infinity);
			expect(account.requests?.level ?? 0).toBeLessThanOrEqual(requestsPerMinute ?? 0);
			expect(account.tokens?.level ?? 0).toBeLessThanOrEqual(tokensPerMinute ?? 0);
			expect(account.requests?.level ?? 0).toBeGreaterThanOrEqual(-1e-6);
			expect(account.tokens?.level ?? 0).toBeGreaterThanOrEqual(-1e-6);
			for (const part of Object.values(held)) expect(part).toBeGreaterThanOrEqual(0);

			const rows = ledger.usage(key);
			const sum = (of: typeof rows) => of.reduce((total, row) => total + row.cost_nano_usd, 0);
			expect(sum(rows)).toBe(account.spent.total);
			expect(sum(rows.filter((row) => row.day === account.day))).toBe(account.spent.day);
			expect(sum(rows.filter((row) => monthOf(row.day) === monthOf(account.day)))).toBe(account.spent.month);
			const unconfirmed = rows.reduce((total, row) => total + row.unconfirmed_nano_usd, 0);
			expect(account.spent.total).toBe(this.#settled[key] + unconfirmed);
			const hedged = rows.reduce((total, row) => total + row.hedge_nano_usd, 0);
			expect(hedged).toBe(this.#hedged[key]);
			expect(rows.every((row) => row.hedge_nano_usd === 0 || row.pool === "off")).toBe(true);
			for (const row of rows) {
				expect(row.cost_nano_usd).toBeGreaterThanOrEqual(0);
				expect(row.unconfirmed_nano_usd).toBeGreaterThanOrEqual(0);
			}
		}
	}

	/** All is over: leases end by themselves, and then whoever was slow reports after all. */
	finish(): void {
		this.#now = Math.max(this.#now, START) + 100 * 86_400;
		this.ledger.expire(this.#now);
		for (const key of KEYS) expect(this.ledger.held(key)).toEqual(NOTHING);
		this.check();
		for (const flight of this.#flights.splice(0)) this.#settle(flight, 50, 10);
		for (const purse of this.#purses) if (!purse.closed) this.#close(purse);
		this.check();
		for (const key of KEYS) {
			expect(this.ledger.usage(key).reduce((sum, row) => sum + row.unconfirmed_nano_usd, 0)).toBe(0);
		}
	}

	#ask({ key, nano, tokens, want }: Extract<Op, { op: "ask" }>): void {
		const request = this.#request(`lease-${this.#ids++}`, key, nano, tokens, want);
		const before = { spent: this.ledger.spent(key, this.#now), held: this.ledger.held(key) };
		const asked = this.ledger.ask(request, this.#now);
		if (asked.kind === "short") {
			const { refusal } = asked;
			if (refusal.code !== "budget_exhausted") return;
			const committed = before.spent[refusal.period] + before.held.nano;
			expect(committed + nano).toBeGreaterThan(refusal.limitNano);
			expect(refusal.leftNano).toBe(Math.max(0, refusal.limitNano - committed));
			return;
		}
		if (!asked.reply.ok) throw new Error("a decided lease is granted");
		const { granted } = asked.reply.value;
		expect(granted.requests).toBeGreaterThanOrEqual(1);
		expect(granted.requests).toBeLessThanOrEqual(Math.max(1, Math.min(want, 16)));
		expect(granted.nano).toBe(nano * granted.requests);
		this.#purses.push({ id: request.lease, key, left: granted, closed: false });
		this.#sent.push({ asked: request });
	}

	#settle(flight: Flight, cost: number, tokens: number, hedge: { lost: number | null; won: boolean } = NO_HEDGE): void {
		const { lost, won } = hedge;
		const at = lost === null ? -1 : this.#flights.findIndex(({ key }) => key === flight.key);
		const [second] = at < 0 ? [] : this.#flights.splice(at, 1);
		const off = second ? (lost ?? 0) : 0;
		const settlement: Settlement = {
			...(second && {
				hedge: {
					lease: second.lease,
					reserved: second.reserved,
					won,
					lost: { pool: "off", nano: off, tokens },
				},
			}),
			lease: flight.lease,
			reserved: flight.reserved,
			record: record(`request-${this.#ids++}`, {
				key: flight.key,
				cost_nano_usd: cost + off,
				hedge_nano_usd: off,
				prompt_tokens: tokens,
				completion_tokens: 0,
			}),
		};
		this.ledger.mail({ settlements: [settlement, settlement] }, this.#now);
		// Each call is paid for from its own hold.
		const [answer, calledOff] = second && won ? [second, flight] : [flight, second];
		const hedged = Math.min(off, calledOff?.reserved.nano ?? 0);
		const paid = Math.min(cost, answer.reserved.nano) + hedged;
		this.#settled[flight.key] += paid;
		this.#hedged[flight.key] += hedged;
		const settled = this.ledger.records.get(settlement.record.id);
		expect(settled).toMatchObject({ cost_nano_usd: paid, hedge_nano_usd: hedged });
		this.#sent.push({ settlement });
	}

	#close(purse: Purse): void {
		const returned = { lease: purse.id, unused: purse.left };
		purse.left = NOTHING;
		purse.closed = true;
		this.ledger.mail({ returns: [returned] }, this.#now);
		this.#sent.push({ returned });
	}

	#repeat(n: number): void {
		const sent = pick(this.#sent, n);
		if (!sent) return;
		const before = this.ledger.snapshot();
		if (sent.asked) this.ledger.ask(sent.asked, this.#now);
		this.ledger.mail(
			{
				settlements: sent.settlement ? [sent.settlement] : [],
				returns: sent.returned ? [sent.returned] : [],
			},
			this.#now,
		);
		expect(this.ledger.snapshot()).toEqual(before);
	}

	#request(lease: string, key: KeyId, nano: number, tokens: number, want: number): LeaseRequest {
		const need = { nano, requests: 1, tokens, slots: 1 };
		return { lease, key, limits: this.#limits[key], need, want, returns: [] };
	}
}

const NO_HEDGE = { lost: null, won: false };
const all = { nano: Infinity, requests: Infinity, tokens: Infinity, slots: Infinity };

function pick<T>(from: readonly T[], n: number): T | undefined {
	return from.length === 0 ? undefined : from[n % from.length];
}

describe("any order of leases, settlements, returns, repeats, expiries and clock jumps", () => {
	test("never overspends, never leaks, and the books agree", () => {
		fc.assert(
			fc.property(
				fc.record({ key_a: someLimits, key_b: someLimits }),
				fc.array(op, { maxLength: 100, size: "max" }),
				(keyLimits, ops) => {
					const world = new World(keyLimits);
					for (const step of ops) {
						world.run(step);
						world.check();
					}
					world.finish();
				},
			),
			{ numRuns: 150 },
		);
	});

	test("the days of the start are what the jumps assume", () => {
		expect(dayOf(START)).toBe("2026-11-30");
		expect(dayOf(START + 60)).toBe("2026-12-01");
	});
});
