import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue } from "../../../src/shared/admission/fair-queue.ts";

interface Item {
	readonly tenant: string;
	readonly cost: number;
	readonly name?: string;
}

const all = () => true;

function at(costs: readonly number[], n: number): number {
	return costs[n % costs.length] ?? 1;
}

function drain(queue: FairQueue<Item>, lookMax = 8): string[] {
	const names: string[] = [];
	for (let item = queue.take(all, lookMax); item; item = queue.take(all, lookMax)) names.push(item.name ?? item.tenant);
	return names;
}

test("a tenant of weight 2 is served twice as often as one of weight 1", () => {
	const queue = new FairQueue<Item>((tenant) => (tenant === "a" ? 2 : 1));
	for (let n = 0; n < 4; n++) queue.add({ tenant: "a", cost: 10 });
	for (let n = 0; n < 2; n++) queue.add({ tenant: "b", cost: 10 });
	// Starts by hand: a 0, 5, 10, 15; b 0, 10; ties go to who came first.
	expect(drain(queue)).toEqual(["a", "b", "a", "a", "b", "a"]);
});

test("who floods the queue does not delay who comes later with little", () => {
	const queue = new FairQueue<Item>(() => 1);
	for (let n = 0; n < 100; n++) queue.add({ tenant: "flood", cost: 10 });
	for (let n = 0; n < 50; n++) queue.take(all, 8);
	queue.add({ tenant: "late", cost: 10 });
	expect([queue.take(all, 8), queue.take(all, 8)].map((item) => item?.tenant)).toContain("late");
});

test("a tenant with one item at a time is charged for those before it", () => {
	const queue = new FairQueue<Item>(() => 1);
	for (let n = 0; n < 9; n++) queue.add({ tenant: "steady", cost: 10 });
	const served: string[] = [];
	for (let n = 0; n < 8; n++) {
		if (served.at(-1) !== "steady") queue.add({ tenant: "eager", cost: 40 });
		served.push(queue.take(all, 8)!.tenant);
	}
	expect(served.filter((tenant) => tenant === "eager").length).toBeLessThanOrEqual(3);
});

test("an item that leaves costs its tenant nothing", () => {
	const queue = new FairQueue<Item>(() => 1);
	queue.add({ tenant: "other", cost: 1, name: "o1" });
	const dear = queue.add({ tenant: "t", cost: 1e6, name: "dear" });
	queue.add({ tenant: "t", cost: 1, name: "t1" });
	queue.add({ tenant: "other", cost: 1, name: "o2" });
	queue.remove(dear);
	expect(drain(queue)).toEqual(["o1", "t1", "o2"]);
});

test("a tenant that could not be placed goes first when it can, but is owed nothing for the time", () => {
	const queue = new FairQueue<Item>(() => 1);
	for (let n = 0; n < 20; n++) {
		queue.add({ tenant: "stuck", cost: 10 });
		queue.add({ tenant: "free", cost: 10 });
	}
	for (let n = 0; n < 10; n++) expect(queue.take((item) => item.tenant === "free", 8)?.tenant).toBe("free");
	// Its place in front, then a tie that goes to the earlier arrival, then turn about: not ten in a row.
	const turns = [1, 2, 3, 4, 5, 6].map(() => queue.take(all, 8)!.tenant);
	expect(turns).toEqual(["stuck", "stuck", "free", "stuck", "free", "stuck"]);
});

test("first in, first out inside a tenant, whatever the costs, weights and departures", () => {
	const item = fc.record({
		tenant: fc.constantFrom("a", "b", "c"),
		cost: fc.integer({ min: 1, max: 100 }),
		stays: fc.boolean(),
	});
	fc.assert(
		fc.property(fc.array(item, { maxLength: 60, size: "max" }), fc.integer({ min: 1, max: 9 }), (items, weight) => {
			const queue = new FairQueue<Item>((tenant) => (tenant === "a" ? weight : 1));
			const places = items.map((i, n) => ({ ...i, place: queue.add({ ...i, name: `${i.tenant}${n}` }) }));
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
					const queue = new FairQueue<Item>((tenant) => weights[tenant] ?? 1);
					let next = 0;
					const add = (tenant: string) => queue.add({ tenant, cost: at(costs, next++) });
					for (let n = 0; n < 2; n++) for (const tenant of ["a", "b"]) add(tenant);
					const service = { a: 0, b: 0 };
					let [low, high] = [0, 0];
					for (let n = 0; n < 150; n++) {
						const other = noise[n % 90];
						if (other) queue.add(other);
						const { tenant, cost } = queue.take(all, 4)!;
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

test("however many items cannot be placed, one that can is found within 2n / lookMax calls and a few", () => {
	fc.assert(
		fc.property(
			fc.integer({ min: 1, max: 60 }),
			fc.integer({ min: 1, max: 12 }),
			fc.nat(),
			(tenants, lookMax, pick) => {
				const queue = new FairQueue<Item>(() => 1);
				for (let n = 0; n < tenants; n++) queue.add({ tenant: `t${n}`, cost: 1 });
				const wanted = `t${pick % tenants}`;
				let calls = 0;
				let looks = 0;
				let found: Item | undefined;
				while (!found && calls < 200) {
					calls += 1;
					let inThisCall = 0;
					found = queue.take((item) => {
						inThisCall += 1;
						return item.tenant === wanted;
					}, lookMax);
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
	const queue = new FairQueue<Item>(() => 1);
	for (let n = 0; n < 40; n++) queue.add({ tenant: `blocked${n}`, cost: 1 });
	queue.add({ tenant: "wanted", cost: 1 });
	const served: string[] = [];
	for (let n = 0; n < 60; n++) {
		queue.add({ tenant: `new${n}`, cost: 1 });
		const item = queue.take(({ tenant }) => !tenant.startsWith("blocked"), 4);
		if (item) served.push(item.tenant);
	}
	expect(served).toContain("wanted");
});

test("an `admissible` that throws loses nobody", () => {
	const queue = new FairQueue<Item>(() => 1);
	for (const tenant of ["a", "b", "c"]) queue.add({ tenant, cost: 1 });
	const broken = ({ tenant }: Item) => {
		if (tenant === "b") throw new Error("bug");
		return false;
	};
	expect(() => queue.take(broken, 8)).toThrow("bug");
	expect(drain(queue)).toEqual(["a", "b", "c"]);
});

test("a weight that is no positive number counts as 1", () => {
	for (const weight of [0, -1, NaN, Infinity]) {
		const queue = new FairQueue<Item>((tenant) => (tenant === "odd" ? weight : 1));
		for (let n = 0; n < 2; n++) for (const tenant of ["odd", "even"]) queue.add({ tenant, cost: 5 });
		expect(drain(queue)).toEqual(["odd", "even", "odd", "even"]);
	}
});

test("the position counts the turns that equal items would take", () => {
	const queue = new FairQueue<Item>(() => 1);
	for (let n = 0; n < 10; n++) queue.add({ tenant: "a", cost: 1 });
	const [b1, b2] = [queue.add({ tenant: "b", cost: 1 }), queue.add({ tenant: "b", cost: 1 })];
	expect([queue.position(b1), queue.position(b2)]).toEqual([2, 4]);
	const c = queue.add({ tenant: "c", cost: 1 });
	expect(queue.position(b2)).toBe(6);
	queue.remove(c);
	queue.remove(b1);
	expect(queue.position(b2)).toBe(2);
});
