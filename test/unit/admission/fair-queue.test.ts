import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue } from "../../../src/shared/admission/fair-queue.ts";
import type { Chargeable } from "../../../src/shared/admission/waiting-line.ts";

interface Item extends Chargeable {
	readonly name: string;
}

/** Anybody may take it, unless said otherwise. */
function item(tenant: string, cost: number, more: Partial<Item> = {}): Item {
	return { tenant, cost, weight: 1, candidates: 1n, name: tenant, ...more };
}

const all = () => true;

function at(costs: readonly number[], n: number): number {
	return costs[n % costs.length] ?? 1;
}

function drain(queue: FairQueue<Item>, lookMax = 8): string[] {
	const names: string[] = [];
	for (let item = queue.take(1n, all, lookMax); item; item = queue.take(1n, all, lookMax)) names.push(item.name);
	return names;
}

test("a tenant of weight 2 is served twice as often as one of weight 1", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 4; n++) queue.add(item("a", 10, { weight: 2 }));
	for (let n = 0; n < 2; n++) queue.add(item("b", 10));
	// Starts by hand: a 0, 5, 10, 15; b 0, 10; ties go to who came first.
	expect(drain(queue)).toEqual(["a", "b", "a", "a", "b", "a"]);
});

test("who floods the queue does not delay who comes later with little", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 100; n++) queue.add(item("flood", 10));
	for (let n = 0; n < 50; n++) queue.take(1n, all, 8);
	queue.add(item("late", 10));
	expect([queue.take(1n, all, 8), queue.take(1n, all, 8)].map((item) => item?.tenant)).toContain("late");
});

test("a tenant with one item at a time is charged for those before it", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 9; n++) queue.add(item("steady", 10));
	const served: string[] = [];
	for (let n = 0; n < 8; n++) {
		if (served.at(-1) !== "steady") queue.add(item("eager", 40));
		served.push(queue.take(1n, all, 8)!.tenant);
	}
	expect(served.filter((tenant) => tenant === "eager").length).toBeLessThanOrEqual(3);
});

test("an item that leaves costs its tenant nothing", () => {
	const queue = new FairQueue<Item>();
	queue.add(item("other", 1, { name: "o1" }));
	const dear = queue.add(item("t", 1e6, { name: "dear" }));
	queue.add(item("t", 1, { name: "t1" }));
	queue.add(item("other", 1, { name: "o2" }));
	queue.remove(dear);
	expect(drain(queue)).toEqual(["o1", "t1", "o2"]);
});

test("a tenant that could not be placed goes first when it can, but is owed nothing for the time", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 20; n++) {
		queue.add(item("stuck", 10));
		queue.add(item("free", 10));
	}
	for (let n = 0; n < 10; n++) expect(queue.take(1n, ({ tenant }) => tenant === "free", 8)?.tenant).toBe("free");
	// Its place in front, then a tie that goes to the earlier arrival, then turn about: not ten in a row.
	const turns = [1, 2, 3, 4, 5, 6].map(() => queue.take(1n, all, 8)!.tenant);
	expect(turns).toEqual(["stuck", "stuck", "free", "stuck", "free", "stuck"]);
});

test("first in, first out inside a tenant, whatever the costs, weights and departures", () => {
	const arrival = fc.record({
		tenant: fc.constantFrom("a", "b", "c"),
		cost: fc.integer({ min: 1, max: 100 }),
		stays: fc.boolean(),
	});
	fc.assert(
		fc.property(fc.array(arrival, { maxLength: 60, size: "max" }), fc.integer({ min: 1, max: 9 }), (items, weight) => {
			const queue = new FairQueue<Item>();
			const places = items.map(({ tenant, cost, stays }, n) => {
				const more = { name: `${tenant}${n}`, weight: tenant === "a" ? weight : 1 };
				return { stays, place: queue.add(item(tenant, cost, more)) };
			});
			for (const { stays, place } of places) if (!stays) queue.remove(place);
			const names = drain(queue);
			expect(names.length).toBe(items.filter(({ stays }) => stays).length);
			for (const tenant of ["a", "b", "c"]) {
				const numbers = names.filter((name) => name.startsWith(tenant)).map((name) => Number(name.slice(1)));
				expect(numbers).toEqual([...numbers].sort((x, y) => x - y));
			}
		}),
	);
});

describe("while two tenants wait throughout", () => {
	const cost = fc.integer({ min: 1, max: 1_000 });
	const weight = fc.constantFrom(0.1, 0.5, 1, 2, 3, 10);

	// Goyal, Vin and Cheng 1996, theorem 1: |W_f/r_f - W_m/r_m| <= l_f/r_f + l_m/r_m over any such span.
	test("their service for their weight differs by at most one largest item of each, over any span", () => {
		fc.assert(
			fc.property(
				weight,
				weight,
				fc.array(cost, { minLength: 20, maxLength: 100, size: "max" }),
				fc.array(fc.record({ tenant: fc.constantFrom("c", "d", "e"), cost }), { maxLength: 60, size: "max" }),
				(wa, wb, costs, noise) => {
					const weights: Readonly<Record<string, number>> = { a: wa, b: wb };
					const queue = new FairQueue<Item>();
					let next = 0;
					const add = (tenant: string) => queue.add(item(tenant, at(costs, next++), { weight: weights[tenant]! }));
					for (let n = 0; n < 2; n++) for (const tenant of ["a", "b"]) add(tenant);
					const service = { a: 0, b: 0 };
					let [low, high] = [0, 0];
					for (let n = 0; n < 150; n++) {
						const other = noise[n % 90];
						if (other) queue.add(item(other.tenant, other.cost));
						const { tenant, cost } = queue.take(1n, all, 4)!;
						if (tenant !== "a" && tenant !== "b") continue;
						add(tenant);
						service[tenant] += cost;
						const ahead = service.a / wa - service.b / wb;
						[low, high] = [Math.min(low, ahead), Math.max(high, ahead)];
					}
					const most = Math.max(...costs);
					expect(high - low).toBeLessThanOrEqual((most / wa + most / wb) * (1 + 1e-9));
				},
			),
		);
	});
});

test("however many items cannot be placed for their own reasons, one that can again is found within 2n / lookMax calls and a few", () => {
	fc.assert(
		fc.property(
			fc.integer({ min: 1, max: 60 }),
			fc.integer({ min: 1, max: 12 }),
			fc.nat(),
			(tenants, lookMax, pick) => {
				const queue = new FairQueue<Item>();
				for (let n = 0; n < tenants; n++) queue.add(item(`t${n}`, 1));
				const wanted = `t${pick % tenants}`;
				let calls = 0;
				let looks = 0;
				let found: Item | undefined;
				// Each was looked at once, and is from now on by itself.
				let first = 0;
				expect(queue.take(1n, () => ++first < 0, lookMax)).toBeUndefined();
				expect(first).toBe(tenants);
				while (!found && calls < 200) {
					calls += 1;
					let inThisCall = 0;
					const isWanted = ({ tenant }: Item): boolean => {
						inThisCall += 1;
						return tenant === wanted;
					};
					found = queue.take(1n, isWanted, lookMax);
					looks = Math.max(looks, inThisCall);
				}
				expect(found?.tenant).toBe(wanted);
				expect(looks).toBeLessThanOrEqual(Math.max(2, lookMax));
				expect(calls).toBeLessThanOrEqual(Math.ceil((2 * tenants) / Math.max(2, lookMax)) + 1);
				expect(queue.size).toBe(tenants - 1);
			},
		),
	);
});

test("new tenants that come all the time do not keep the looks from one that became placeable", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 40; n++) queue.add(item(`blocked${n}`, 1));
	queue.add(item("wanted", 1));
	const served: string[] = [];
	for (let n = 0; n < 60; n++) {
		queue.add(item(`new${n}`, 1));
		const taken = queue.take(1n, ({ tenant }) => tenant.startsWith("new") || (n > 5 && tenant === "wanted"), 4);
		if (taken) served.push(taken.tenant);
	}
	expect(served).toContain("wanted");
});

test("an `admissible` that throws loses nobody", () => {
	const queue = new FairQueue<Item>();
	for (const tenant of ["a", "b", "c"]) queue.add(item(tenant, 1));
	const broken = ({ tenant }: Item) => {
		if (tenant === "b") throw new Error("bug");
		return false;
	};
	expect(() => queue.take(1n, broken, 8)).toThrow("bug");
	expect(drain(queue)).toEqual(["a", "b", "c"]);
});

test("a weight that is no positive number counts as 1", () => {
	for (const weight of [0, -1, NaN, Infinity]) {
		const queue = new FairQueue<Item>();
		for (let n = 0; n < 2; n++) {
			queue.add(item("odd", 5, { weight }));
			queue.add(item("even", 5));
		}
		expect(drain(queue)).toEqual(["odd", "even", "odd", "even"]);
	}
});

test("the position counts the turns that equal items would take", () => {
	const queue = new FairQueue<Item>();
	for (let n = 0; n < 10; n++) queue.add(item("a", 1));
	const [b1, b2] = [queue.add(item("b", 1)), queue.add(item("b", 1))];
	expect([queue.position(b1, 1n), queue.position(b2, 1n)]).toEqual([2, 4]);
	const c = queue.add(item("c", 1));
	expect(queue.position(b2, 1n)).toBe(6);
	queue.remove(c);
	queue.remove(b1);
	expect(queue.position(b2, 1n)).toBe(2);
});

describe("items that not everybody may take", () => {
	const TEXT = 0b11n;
	const VISION = 0b01n;

	test("are not looked at while nobody who may take them is free, and hide nobody, not even of their tenant", () => {
		const queue = new FairQueue<Item>();
		for (let n = 0; n < 50; n++) queue.add(item(`t${n % 5}`, 10, { candidates: VISION }));
		queue.add(item("t0", 10, { name: "text", candidates: TEXT }));
		const looked: string[] = [];
		const taken = queue.take(0b10n, ({ name }) => looked.push(name) > 0, 2);
		expect([taken?.name, ...looked]).toEqual(["text", "text"]);
		expect(queue.take(0b10n, all, 2)).toBeUndefined();
		expect(queue.take(0b01n, all, 2)?.tenant).toBe("t1");
	});

	test("stand in one order with the others of their tenant where both may go", () => {
		const queue = new FairQueue<Item>();
		for (const [name, candidates] of [
			["1", VISION],
			["2", TEXT],
			["3", VISION],
			["4", TEXT],
		] as const)
			queue.add(item("t", 10, { name, candidates }));
		expect([1, 2, 3, 4].map(() => queue.take(0b01n, all, 2)?.name)).toEqual(["1", "2", "3", "4"]);
	});

	test("count for the position only of those who wait for the same", () => {
		const queue = new FairQueue<Item>();
		for (let n = 0; n < 30; n++) queue.add(item(`v${n}`, 1, { candidates: 0b01n }));
		expect(queue.nextPosition(item("t", 1, { candidates: 0b10n }))).toBe(1);
		expect(queue.nextPosition(item("t", 1, { candidates: 0b11n }))).toBe(31);
	});

	test("keep their order, tags and count when who may take them changes, and can be placed in the new way", () => {
		const arrival = fc.record({
			tenant: fc.constantFrom("a", "b", "c"),
			cost: fc.integer({ min: 1, max: 9 }),
			candidates: fc.bigInt(1n, 7n),
			before: fc.bigInt(1n, 7n),
		});
		fc.assert(
			fc.property(fc.array(arrival, { maxLength: 30, size: "max" }), fc.bigInt(1n, 7n), (arrivals, free) => {
				const run = (regroups: boolean): string[] => {
					const queue = new FairQueue<{ -readonly [P in keyof Item]: Item[P] }>();
					const items = arrivals.map(({ tenant, cost, candidates, before }, n) =>
						Object.assign(item(tenant, cost, { name: `${tenant}${n}`, candidates: regroups ? before : candidates })),
					);
					for (const each of items) queue.add(each);
					if (regroups) {
						queue.take(7n, () => false, 2);
						items.forEach((each, n) => (each.candidates = arrivals[n]!.candidates));
						queue.regroup();
					}
					const names: string[] = [];
					for (let each = queue.take(free, all, 2); each; each = queue.take(free, all, 2)) names.push(each.name);
					expect(queue.size).toBe(items.length - names.length);
					return names;
				};
				expect(run(true)).toEqual(run(false));
			}),
		);
	});
});
