import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hash64 } from "../../../src/shared/kv/block-hash.ts";
import { PrefixIndex } from "../../../src/shared/kv/prefix-index.ts";
import { NaiveIndex } from "./naive-index.ts";

const SLOTS = 4;

/** A block's words follow from its name, as a block's hash does from all that leads to it. */
function wordsOf(name: string): [lo: number, hi: number] {
	const bytes = new TextEncoder().encode(name);
	const { lo, hi } = hash64(bytes, 0, bytes.length);
	return [lo, hi];
}

function chainOf(names: readonly string[]): Uint32Array {
	return Uint32Array.from(names.flatMap(wordsOf));
}

/** `a`, `ab`, `abc`: chains that begin alike share blocks. */
function namesOf(text: string): string[] {
	return Array.from(text, (_, i) => text.slice(0, i + 1));
}

const honest = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 9 }).map((letters) => namesOf(letters.join("")));
/** Blocks in any order and again and again, as texts may be made to hash. */
const forged = fc.array(fc.constantFrom<string[]>("a", "ab", "abc", "b", "ba"), { maxLength: 9 });
const chainArbitrary = fc.oneof({ weight: 3, arbitrary: honest }, forged);
const slotArbitrary = fc.nat(SLOTS - 1);

const step = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			do: fc.constant("insert" as const),
			slot: slotArbitrary,
			chain: chainArbitrary,
			confirmed: fc.boolean(),
		}),
	},
	fc.record({
		do: fc.constantFrom("truncate" as const, "retract" as const),
		slot: slotArbitrary,
		chain: chainArbitrary,
		from: fc.nat(9),
	}),
	fc.record({ do: fc.constant("capacity" as const), slot: slotArbitrary, blocks: fc.nat(40) }),
	fc.record({ do: fc.constantFrom("clear" as const, "reborn" as const), slot: slotArbitrary }),
	fc.record({ do: fc.constant("look" as const), chain: chainArbitrary }),
);

/** What a slot holds, the newest first, as the snapshot tells it. */
function listOf(index: PrefixIndex, slot: number): Uint32Array {
	return Uint32Array.from(index.snapshot(slot, 7).flatMap((part) => [...part]));
}

describe("after any sequence of operations", () => {
	test.each([
		["with room for all", 1 << 20, 500],
		["when the whole index is full", undefined, 500],
	])("it equals a naive model, %s", (_, bytes, runs) => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 120, size: "max" }), fc.nat(8), (steps, crowd) => {
				// The least table there is; most of it is filled beforehand so that the rest is soon full.
				const index = new PrefixIndex({ slots: SLOTS, bytesMax: bytes ?? 0 });
				const naive = new NaiveIndex(SLOTS, index.sizeMax);
				if (bytes === undefined) {
					const filler = Array.from({ length: index.sizeMax - 20 - crowd }, (__, i) => `filler${i}`);
					index.insert(0, chainOf(filler), true);
					naive.insert(0, filler, true);
				}
				for (const each of steps) {
					switch (each.do) {
						case "insert": {
							const { slot, chain, confirmed } = each;
							expect(index.insert(slot, chainOf(chain), confirmed)).toBe(naive.insert(slot, chain, confirmed));
							break;
						}
						case "truncate":
						case "retract": {
							const { slot, chain, from } = each;
							const removed = naive.remove(slot, chain, from, each.do === "retract");
							expect(index[each.do](slot, chainOf(chain), from)).toBe(removed);
							break;
						}
						case "capacity":
							index.setCapacity(each.slot, each.blocks);
							naive.setCapacity(each.slot, each.blocks);
							break;
						case "clear":
							index.clear(each.slot);
							naive.lists[each.slot] = [];
							break;
						case "reborn": {
							const parts = index.snapshot(each.slot, 5);
							index.clear(each.slot);
							for (const part of parts) index.restore(each.slot, part);
							naive.lists[each.slot] = naive.lists[each.slot]!.filter(({ confirmed }) => confirmed);
							break;
						}
						case "look": {
							const held = new Int32Array(SLOTS);
							const longest = index.match(chainOf(each.chain), held);
							const found = naive.lists.map((__, slot) => naive.heldBy(slot, each.chain));
							const repeated = each.chain.findIndex((name, block) => each.chain.indexOf(name) < block);
							each.chain.slice(0, repeated < 0 ? undefined : repeated).forEach((name, block) => {
								naive.lists.forEach((list, slot) => {
									// What a removal cut off from its beginning may count, and nothing else.
									const cutOff = block >= found[slot]! && list.some((entry) => entry.name === name);
									if (cutOff && held[slot]! > block) found[slot] = block + 1;
								});
							});
							expect([...held]).toEqual(found);
							expect(longest).toBe(Math.max(...found));
							break;
						}
					}
					expect(index.size).toBe(naive.size);
				}
				for (let slot = 0; slot < SLOTS; slot++) {
					const list = listOf(index, slot);
					expect([...list].filter((__, i) => i % 2 === 0)).toEqual(
						naive.lists[slot]!.map(({ name }) => wordsOf(name)[0]),
					);
					expect(index.statistics(slot).entries).toBe(naive.lists[slot]!.length);
				}
			}),
			{ numRuns: bytes === undefined ? 60 : runs },
		);
	});
});

describe("growing", () => {
	test("keeps every block, in its order, from the least table to a large one", () => {
		const index = new PrefixIndex({ slots: 3, bytesMax: 4 << 20 });
		const before = index.bytes;
		const chains = Array.from({ length: 600 }, (_, n) => chainOf(Array.from({ length: 50 }, (__, i) => `${n}/${i}`)));
		chains.forEach((chain, n) => index.insert(n % 3, chain, true));
		expect(index.size).toBe(30_000);
		expect(index.bytes).toBeGreaterThan(4 * before);
		const held = new Int32Array(3);
		chains.forEach((chain, n) => {
			expect(index.match(chain, held)).toBe(50);
			expect([...held]).toEqual([0, 1, 2].map((slot) => (slot === n % 3 ? 50 : 0)));
		});
		// The oldest chain of slot 0 loses its end first.
		index.setCapacity(0, 10_000 - 20);
		expect(index.heldBy(0, chains[0]!)).toBe(30);
		expect(index.heldBy(0, chains[3]!)).toBe(50);
	});

	test("the default 32 MB hold 1.2 million entries, and 100 MB four million", () => {
		const index = new PrefixIndex({ slots: 256, bytesMax: 32 << 20 });
		expect(index.sizeMax).toBeGreaterThanOrEqual(1_200_000);
		expect(new PrefixIndex({ slots: 256, bytesMax: 100 << 20 }).sizeMax).toBeGreaterThanOrEqual(4_000_000);
	});
});

test("hashes that were made to collide are bounded work: what finds no place is not recorded", () => {
	const index = new PrefixIndex({ slots: 1, bytesMax: 1 << 20 });
	const chain = new Uint32Array(2 * 6_000);
	for (let i = 0; i < 6_000; i++) chain.set([77, i << 13], 2 * i);
	index.insert(0, chain, true);
	expect(index.size).toBe(4_096);
	expect(index.heldBy(0, chain)).toBe(4_096);
	index.clear(0);
	expect(index.size).toBe(0);
});

test("a chain that others confirmed meanwhile is not taken back with the one that failed", () => {
	const index = new PrefixIndex({ slots: 1, bytesMax: 1 << 20 });
	const [failed, sibling] = [chainOf(namesOf("abcd")), chainOf(namesOf("abxy"))];
	expect(index.insert(0, failed, false)).toBe(0);
	expect(index.insert(0, sibling, false)).toBe(2);
	index.insert(0, sibling, true);
	expect(index.retract(0, failed, 0)).toBe(2);
	expect(index.heldBy(0, sibling)).toBe(4);
	expect(index.heldBy(0, failed)).toBe(2);
});

test("texts that were made to hash to one block twice end there: the lists stay whole", () => {
	const index = new PrefixIndex({ slots: 2, bytesMax: 1 << 20 });
	const [first, again, other] = [chainOf(["a"]), chainOf(["a", "a", "b"]), chainOf(namesOf("xy"))];
	index.insert(0, first, true);
	expect(index.insert(0, again, true)).toBe(1);
	index.insert(1, again, true);
	index.insert(1, other, true);
	const held = new Int32Array(2);
	expect(index.match(again, held)).toBe(1);
	expect([index.statistics(0).entries, index.statistics(1).entries]).toEqual([1, 3]);
	index.setCapacity(1, 1);
	index.clear(0);
	index.clear(1);
	expect(index.size).toBe(0);
});
