import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockChain } from "./block-chain.ts";
import { PrefixCache, type CacheObserver, type Lease } from "./prefix-cache.ts";

function chain(...ids: readonly number[]): BlockChain {
	const built = new BlockChain();
	for (const id of ids) for (let i = 0; i < 16; i++) built.push(id);
	return built;
}

/** What an observer believes to be cached. */
class Told implements CacheObserver {
	readonly hashes = new Set<number>();

	stored({ hashes }: BlockChain, index: number): void {
		expect(this.hashes).not.toContain(hashes[index]);
		this.hashes.add(hashes[index]!);
	}

	removed(hash: number): void {
		expect(this.hashes.delete(hash)).toBe(true);
	}

	cleared(): void {
		this.hashes.clear();
	}
}

describe("block chains", () => {
	it("agree exactly as far as the tokens do", () => {
		fc.assert(
			fc.property(fc.array(fc.nat(9)), fc.array(fc.nat(9)), fc.array(fc.nat(9)), (start, a, b) => {
				const one = [...start, ...a];
				const two = [...start, ...b];
				const left = chain(...one).hashes;
				const right = chain(...two).hashes;
				const differs = one.findIndex((id, i) => id !== two[i]);
				const alike = Math.min(differs < 0 ? one.length : differs, two.length);
				expect(left.slice(0, alike)).toEqual(right.slice(0, alike));
				if (alike < one.length && alike < two.length) expect(left[alike]).not.toBe(right[alike]);
			}),
		);
	});

	it("count only full blocks, and go on from a fork by themselves", () => {
		const trunk = chain(1, 2);
		trunk.push(3);
		expect(trunk.hashes).toHaveLength(2);
		const fork = trunk.fork();
		for (let i = 0; i < 15; i++) {
			trunk.push(3);
			fork.push(i);
		}
		expect(trunk.hashes[1]).toBe(fork.hashes[1]);
		expect(trunk.hashes[2]).not.toBe(fork.hashes[2]);
		expect(trunk.hashes[2]).toBe(chain(1, 2, 3).hashes[2]);
	});
});

describe("the prefix cache", () => {
	it("keeps the blocks of a sequence that left, and evicts the end of a prefix first", () => {
		const cache = new PrefixCache(4);
		const blocks = chain(1, 2, 3);
		const { hashes } = blocks;
		const lease = cache.take(hashes, 0, 3)!;
		cache.publish(lease, blocks, 3);
		cache.release(lease, hashes);
		expect(cache.usage).toBe(0);
		expect(cache.matching(hashes, 3)).toBe(3);
		cache.take(chain(9).hashes, 0, 2);
		expect(cache.matching(hashes, 3)).toBe(2);
	});

	it("refuses a lease that does not fit beside what is held", () => {
		const cache = new PrefixCache(4);
		const first = cache.take(chain(1).hashes, 0, 3);
		expect(first).not.toBeNull();
		expect(cache.take(chain(2).hashes, 0, 2)).toBeNull();
		expect(cache.grow(first!, 2)).toBe(false);
		expect(cache.grow(first!, 1)).toBe(true);
		expect(cache.usage).toBe(1);
	});

	it("never holds more than it has, tells all that comes and goes, and is empty when all have left", () => {
		const capacity = 12;
		const prompt = fc.array(fc.nat(2), { minLength: 1, maxLength: 6 });
		const step = fc.record({ ids: prompt, grow: fc.nat(3), leave: fc.nat(3) });
		fc.assert(
			fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
				const told = new Told();
				const cache = new PrefixCache(capacity, told);
				const held: { lease: Lease; hashes: readonly number[] }[] = [];
				for (const { ids, grow, leave } of steps) {
					const blocks = chain(...ids);
					const { hashes } = blocks;
					const matched = cache.matching(hashes, hashes.length);
					const lease = cache.take(hashes, matched, hashes.length);
					if (lease) {
						cache.publish(lease, blocks, hashes.length);
						expect(cache.matching(hashes, hashes.length)).toBe(hashes.length);
						cache.grow(lease, grow);
						held.push({ lease, hashes });
					}
					if (leave > 0 && held.length >= leave) {
						const [gone] = held.splice(leave - 1, 1);
						cache.release(gone!.lease, gone!.hashes);
					}
					const own = held.reduce((sum, each) => sum + each.lease.own, 0);
					const shared = new Set(held.flatMap((each) => each.hashes.slice(0, each.lease.shared))).size;
					expect(cache.usage).toBe((own + shared) / capacity);
					expect(cache.usage).toBeLessThanOrEqual(1);
					expect(own + cache.cachedBlocks).toBeLessThanOrEqual(capacity);
					if (grow === 0) cache.clear();
					expect(told.hashes.size).toBe(cache.cachedBlocks);
					for (const hash of told.hashes) expect(cache.matching([hash], 1)).toBe(1);
				}
				for (const { lease, hashes } of held) cache.release(lease, hashes);
				expect(cache.usage).toBe(0);
				cache.clear();
				expect(cache.cachedBlocks).toBe(0);
			}),
		);
	});
});
