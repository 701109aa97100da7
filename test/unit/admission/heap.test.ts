import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Heap, heapSlot } from "../../../src/shared/admission/heap.ts";
import type { HeapSlot } from "../../../src/shared/admission/heap.ts";

interface Item {
	key: number;
}

const step = fc.oneof(
	fc.record({ do: fc.constant("push" as const), key: fc.integer({ min: 0, max: 20 }) }),
	fc.record({ do: fc.constantFrom("pop" as const) }),
	fc.record({ do: fc.constant("remove" as const), at: fc.nat() }),
	fc.record({ do: fc.constant("move" as const), at: fc.nat(), key: fc.integer({ min: 0, max: 20 }) }),
);

test("after any pushes, pops, removals and key changes the first is a least one, and what comes out is what is in", () => {
	fc.assert(
		fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
			const heap = new Heap<Item>((a, b) => a.key < b.key);
			const inside: HeapSlot<Item>[] = [];
			const least = () => Math.min(...inside.map(({ value }) => value.key));
			for (const s of steps) {
				if (s.do === "push") {
					const slot = heapSlot({ key: s.key });
					heap.push(slot);
					inside.push(slot);
				} else if (inside.length === 0) {
					expect(heap.pop()).toBeUndefined();
				} else if (s.do === "pop") {
					const expected = least();
					const popped = heap.pop()!;
					expect(popped.key).toBe(expected);
					inside.splice(
						inside.findIndex(({ value }) => value === popped),
						1,
					);
				} else if (s.do === "remove") {
					for (const slot of inside.splice(s.at % inside.length, 1)) {
						heap.remove(slot);
						heap.remove(slot);
						expect(slot.index).toBe(-1);
					}
				} else {
					const at = s.at % inside.length;
					for (const slot of inside.slice(at, at + 1)) {
						slot.value.key = s.key;
						heap.moved(slot);
					}
				}
				expect(heap.size).toBe(inside.length);
				expect(heap.first?.key).toBe(inside.length ? least() : undefined);
			}
			const rest = inside.map(({ value }) => value.key).sort((a, b) => a - b);
			expect(rest.map(() => heap.pop()!.key)).toEqual(rest);
		}),
	);
});

test("a slot of another heap is left alone", () => {
	const before = (a: number, b: number) => a < b;
	const [one, other] = [new Heap<number>(before), new Heap<number>(before)];
	const slot = heapSlot(1);
	one.push(slot);
	other.push(heapSlot(2));
	other.remove(slot);
	expect([one.size, other.size]).toEqual([1, 1]);
});
