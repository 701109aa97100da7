import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WaitingRoom } from "../../../src/shared/admission/waiting-room.ts";
import type { WaitingEntry } from "../../../src/shared/admission/waiting-room.ts";
import type { Priority } from "../../../src/shared/catalog/keys.ts";

const all = () => true;

function at(costs: readonly number[], n: number): number {
	return costs[n % costs.length] ?? 1;
}

let serial = 0;

function entry(over: Partial<WaitingEntry<null>> = {}): WaitingEntry<null> {
	serial += 1;
	return {
		id: `r${serial}`,
		tenant: "t",
		priority: "standard",
		cost: 100,
		weight: 1,
		candidates: 1n,
		deadline: 1e9,
		enqueuedAt: 0,
		payload: null,
		...over,
	};
}

function room(max = 1_000, tenantMax = 1_000) {
	return new WaitingRoom<null>({ max, tenantMax });
}

function fill(r: WaitingRoom<null>, count: number, over: Partial<WaitingEntry<null>> = {}) {
	return Array.from({ length: count }, () => {
		const e = entry(over);
		return { entry: e, result: r.offer(e) };
	});
}

describe("bounds", () => {
	test("a full room refuses its own class and below", () => {
		const r = room(3);
		fill(r, 3);
		expect(r.offer(entry())).toEqual({ ok: false, error: "full" });
		expect(r.offer(entry({ priority: "batch" }))).toEqual({ ok: false, error: "full" });
		expect(r.size).toBe(3);
	});

	test("a higher class displaces the newest of the lowest class, which is handed back", () => {
		const r = room(3);
		fill(r, 1, { priority: "batch" });
		const newest = entry({ priority: "batch" });
		r.offer(newest);
		fill(r, 1, { priority: "standard" });
		const result = r.offer(entry({ priority: "interactive" }));
		expect(result.ok && result.value.displaced).toBe(newest);
		expect(r.get(newest.id)).toBeUndefined();
		expect(r.size).toBe(3);
	});

	test("a tenant at its bound is refused, unless it has something less urgent waiting", () => {
		const r = room(100, 2);
		fill(r, 2, { tenant: "a", priority: "standard" });
		expect(r.offer(entry({ tenant: "a" }))).toEqual({ ok: false, error: "tenant_full" });
		expect(r.offer(entry({ tenant: "b" })).ok).toBe(true);
		const result = r.offer(entry({ tenant: "a", priority: "interactive" }));
		expect(result.ok && result.value.displaced?.tenant).toBe("a");
		expect(r.size).toBe(3);
	});

	test("a tenant's trade of one for another takes no kept place from others", () => {
		const r = room(100, 80);
		fill(r, 75, { tenant: "a", priority: "interactive" });
		fill(r, 5, { tenant: "a", priority: "batch" });
		expect(r.offer(entry({ tenant: "a", priority: "interactive" }))).toEqual({ ok: false, error: "tenant_full" });
		expect(r.offer(entry({ tenant: "a", priority: "standard" })).ok).toBe(true);
		expect(r.size).toBe(80);
	});

	test("a class with a minimum share is not shut out by a flood from above", () => {
		const r = room(100);
		fill(r, 500, { priority: "interactive" });
		// 20 places are kept for standard and 5 for batch.
		expect(r.size).toBe(75);
		expect(fill(r, 6, { priority: "batch" }).map(({ result }) => result.ok)).toEqual([
			true,
			true,
			true,
			true,
			true,
			false,
		]);
		expect(fill(r, 21).filter(({ result }) => result.ok).length).toBe(20);
		expect(r.offer(entry({ priority: "interactive" }))).toEqual({ ok: false, error: "full" });
		expect(r.size).toBe(100);
	});

	test("an id that waits already keeps its place", () => {
		const r = room(2);
		const first = entry();
		fill(r, 1);
		r.offer(first);
		expect(r.offer(first)).toEqual({ ok: true, value: { position: 2, displaced: undefined } });
		expect(r.size).toBe(2);
	});

	test("a cost or deadline that is not a number is a bug of the caller, and changes nothing", () => {
		const r = room();
		for (const bad of [{ cost: NaN }, { cost: Infinity }, { deadline: NaN }]) {
			expect(() => r.offer(entry(bad))).toThrow(RangeError);
		}
		expect(r.size).toBe(0);
		r.offer(entry({ cost: 0, deadline: Infinity }));
		expect(r.next(0, 1n, all, 8)).toBeDefined();
	});
});

describe("order", () => {
	test("classes go by rank, tenants by what they had, requests of a tenant by arrival", () => {
		const r = room();
		const batch = entry({ priority: "batch" });
		const [a1, a2] = [entry({ tenant: "a" }), entry({ tenant: "a" })];
		const b1 = entry({ tenant: "b" });
		const urgent = entry({ priority: "interactive" });
		for (const e of [batch, a1, a2, b1, urgent]) r.offer(e);
		expect([1, 2, 3, 4, 5].map(() => r.next(0, 1n, all, 8))).toEqual([urgent, a1, b1, a2, batch]);
	});

	test("an entry past its deadline is not taken, even before anybody called expire", () => {
		const r = room();
		const late = entry({ deadline: 10 });
		r.offer(late);
		expect(r.next(10, 1n, all, 8)).toBeUndefined();
		expect(r.expire(9.9)).toEqual([]);
		expect(r.expire(10)).toEqual([late]);
	});

	test("what cannot be placed does not hold up other tenants and classes", () => {
		const r = room();
		fill(r, 50, { tenant: "stuck", priority: "interactive" });
		const free = entry({ tenant: "free", priority: "batch" });
		r.offer(free);
		expect(r.next(0, 1n, ({ tenant }) => tenant === "free", 4)).toBe(free);
	});

	test("going ahead of what cannot be placed is not held against a class", () => {
		const r = room();
		fill(r, 400, { tenant: "stuck", priority: "interactive", cost: 10 });
		fill(r, 200, { tenant: "batch", priority: "batch", cost: 10 });
		for (let n = 0; n < 100; n++) expect(r.next(0, 1n, ({ tenant }) => tenant === "batch", 4)).toBeDefined();
		const served = Array.from({ length: 41 }, () => r.next(0, 1n, all, 4)!.priority);
		expect(served.filter((priority) => priority === "batch").length).toBeGreaterThanOrEqual(2);
	});
});

describe("under lasting load from above", () => {
	const cost = fc.integer({ min: 1, max: 100 });

	test("each class has its share of the service, and not more", () => {
		fc.assert(
			fc.property(fc.array(cost, { minLength: 1, maxLength: 30 }), (costs) => {
				const r = room();
				const served: Record<Priority, number> = { interactive: 0, standard: 0, batch: 0 };
				let n = 0;
				const add = (priority: Priority) => r.offer(entry({ priority, cost: at(costs, n++) }));
				for (const priority of ["interactive", "standard", "batch"] as const) for (let i = 0; i < 3; i++) add(priority);
				for (let i = 0; i < 1_000; i++) {
					const { priority, cost } = r.next(0, 1n, all, 8)!;
					served[priority] += cost;
					add(priority);
				}
				const total = served.interactive + served.standard + served.batch;
				const slack = 4 * Math.max(...costs);
				// Minimum shares of 20 % and 5 %, up to the few items by which they may be ahead or behind.
				expect(Math.abs(served.standard - 0.2 * total)).toBeLessThanOrEqual(slack + 0.02 * total);
				expect(Math.abs(served.batch - 0.05 * total)).toBeLessThanOrEqual(slack + 0.01 * total);
			}),
			{ numRuns: 30 },
		);
	});

	test("no entry starves: it goes once its class earned it", () => {
		fc.assert(
			fc.property(
				fc.constantFrom<Priority>("standard", "batch"),
				fc.integer({ min: 1, max: 1_000 }),
				fc.array(cost, { minLength: 1, maxLength: 20 }),
				fc.integer({ min: 1, max: 5 }),
				(priority, victimCost, costs, tenants) => {
					const r = room();
					const victim = entry({ priority, cost: victimCost, tenant: "victim" });
					let n = 0;
					const flood = () => {
						n += 1;
						const above = n % 2 && priority === "batch" ? "standard" : "interactive";
						r.offer(entry({ priority: above, tenant: `t${n % tenants}`, cost: at(costs, n) }));
					};
					for (let i = 0; i < 10; i++) flood();
					r.offer(victim);
					let served = 0;
					for (let taken = r.next(0, 1n, all, 8)!; taken !== victim; taken = r.next(0, 1n, all, 8)!) {
						served += taken.cost;
						flood();
						// 1 / 0.05 of its cost, and some items more for standard's own turns.
						expect(served).toBeLessThanOrEqual(20 * victimCost + 1_000);
					}
				},
			),
		);
	});
});

test("positions rise along the queue and take rank and share into account", () => {
	const r = room();
	const standard = fill(r, 10, { tenant: "a" }).map(({ result }) => result.ok && result.value.position);
	expect(standard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
	fill(r, 3, { priority: "interactive", tenant: "b" });
	const after = entry({ tenant: "a" });
	const result = r.offer(after);
	expect(result.ok && result.value.position).toBe(14);
	// First of its class: one in five turns is standard's, so not later than the fifth.
	const flooded = room();
	fill(flooded, 100, { priority: "interactive" });
	const first = flooded.offer(entry({ tenant: "a" }));
	expect(first.ok && first.value.position).toBe(5);
});

test("a room of a thousand keeps no trace of thirty thousand that passed", () => {
	const r = new WaitingRoom<null>({ max: 1_000, tenantMax: 10 });
	let [taken, expired, refused] = [0, 0, 0];
	for (let n = 0; n < 30_000; n++) {
		const now = n / 100;
		expired += r.expire(now).length;
		if (!r.offer(entry({ tenant: `t${n % 5_000}`, deadline: now + 5, cost: 1 + (n % 97) })).ok) refused += 1;
		if (n % 3 === 0 && r.next(now, 1n, all, 16)) taken += 1;
	}
	expect(taken + expired + refused + r.size).toBe(30_000);
	expect(r.expire(Infinity).length + taken + expired + refused).toBe(30_000);
});

test("a position counts those who wait for the same, and not those who can use less of it", () => {
	const r = room();
	fill(r, 40, { candidates: 0b001n, tenant: "narrow" });
	fill(r, 2, { candidates: 0b011n, tenant: "other" });
	const position = (candidates: bigint): number => r.nextPosition(entry({ candidates }));
	expect([0b100n, 0b011n, 0b001n, 0b101n].map((candidates) => position(candidates))).toEqual([1, 3, 3, 1]);
	expect([0b011n, 0b001n, 0b111n].map((candidates) => r.left(candidates))).toEqual([0b010n, 0b001n, 0b100n]);
	fill(r, 1, { candidates: 0b010n });
	expect(r.left(0b011n)).toBe(0b011n);
});
