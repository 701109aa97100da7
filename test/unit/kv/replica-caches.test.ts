import { beforeEach, describe, expect, test } from "vitest";
import { ReplicaCaches, type ReplicaCache } from "../../../src/shared/kv/replica-caches.ts";

const [A, B] = ["p/a", "p/b"].map((name) => ({ name, baseUrl: `http://${name}`, kvTokens: 100_000 }));
/** 100 tokens a block. */
const PER_BLOCK = 100;

function chain(conversation: number, blocks: number): Uint32Array {
	return Uint32Array.from({ length: 2 * blocks }, (_, i) => Math.imul(conversation * 1_000 + i + 1, 0x9e3779b1));
}

let caches: ReplicaCaches;
let a: ReplicaCache;
let b: ReplicaCache;

beforeEach(() => {
	caches = new ReplicaCaches(1 << 20);
	caches.configure([A!, B!]);
	a = caches.get("p/a")!;
	b = caches.get("p/b")!;
});

function held(prefix: Uint32Array): [a: number, b: number] {
	caches.match(prefix);
	return [caches.held(a), caches.held(b)];
}

function answer(cache: ReplicaCache, prefix: Uint32Array, cached: number | null): void {
	const found = caches.expect(cache, prefix, caches.match(prefix));
	caches.answered(cache, prefix, found, { perBlock: PER_BLOCK, prompt: (prefix.length / 2) * PER_BLOCK + 50, cached });
}

test("what is sent counts as held at once, and is taken back to what was there when it fails", () => {
	const first = chain(1, 10);
	caches.confirm(a, first.subarray(0, 8));
	const found = caches.expect(a, first, caches.match(first));
	expect(found).toEqual({ possible: 4, predicted: 4, confirmed: 4 });
	expect(held(first)).toEqual([10, 0]);
	expect(caches.expect(a, first, 10)).toEqual({ possible: 10, predicted: 10, confirmed: 4 });
	caches.takeBack(a, first, found);
	expect(held(first)).toEqual([4, 0]);
});

test("a replica that evicts while it holds so many tokens holds no more, whatever its hardware suggests", () => {
	const perToken = 1 / PER_BLOCK;
	caches.calibrate(perToken);
	for (let i = 0; i < 20; i++) caches.confirm(a, chain(i, 10));
	expect(held(chain(0, 10))).toEqual([10, 0]);
	caches.holdsAtMost(a, 5_000);
	expect(caches.statistics()[0]).toMatchObject({ replica: "p/a", entries: 50, capacity: 50 });
	expect(held(chain(0, 10))).toEqual([0, 0]);
	expect(held(chain(19, 10))).toEqual([10, 0]);
	// It may turn out larger, as when others stop using its memory.
	caches.holdsAtMost(a, 9_000);
	for (let i = 20; i < 40; i++) caches.confirm(a, chain(i, 10));
	expect(caches.statistics()[0]).toMatchObject({ entries: 90, capacity: 90 });
	// Another life of it has yet to tell.
	caches.forget(a);
	expect(caches.statistics()[0]).toMatchObject({ entries: 0, capacity: 1_000 });
	caches.holdsAtMost(a, 9_000);
	caches.holdsAtMost(a, null);
	expect(caches.statistics()[0]).toMatchObject({ capacity: 1_000 });
});

describe("an answer", () => {
	test("adds to what was possible, predicted and hit; one that does not report adds nothing", () => {
		const prompt = chain(1, 10);
		caches.confirm(b, prompt);
		answer(a, prompt, 0);
		answer(a, prompt, 960);
		answer(a, prompt, null);
		expect(a.sums).toEqual({
			answers: 2,
			prompt: 2_100,
			possible: 2_000,
			predicted: 1_000,
			actual: 960,
			unreported: 1,
		});
		expect(held(prompt)).toEqual([10, 10]);
	});

	test("that hit nothing three times in a row clears the replica, and no other", () => {
		const prompts = [1, 2, 3, 4, 5].map((n) => chain(n, 20));
		for (const prompt of prompts) for (const cache of [a, b]) caches.confirm(cache, prompt);
		for (const prompt of prompts.slice(0, 3)) answer(a, prompt, 0);
		expect(held(prompts[4]!)).toEqual([0, 20]);
		// The last one has just been computed there.
		expect(held(prompts[2]!)).toEqual([20, 20]);
	});

	test("that hits less time and again ends the chain where it hits, and makes the replica smaller", () => {
		const prompt = chain(1, 20);
		caches.confirm(a, prompt);
		const before = caches.statistics()[0]!.capacity;
		for (let i = 0; i < 3; i++) answer(a, prompt, 500);
		expect(held(prompt)).toEqual([5, 0]);
		expect(caches.statistics()[0]!.capacity).toBeCloseTo(before * 0.85 ** 3, -1);
	});
});

describe("a replica", () => {
	test("holds as many blocks as its tokens are, and more when prompts have more bytes per token", () => {
		// 100,000 tokens at 4 bytes in blocks of 512.
		expect(caches.statistics().map(({ capacity }) => capacity)).toEqual([782, 782]);
		caches.calibrate(2 * (4 / 512));
		expect(caches.statistics()[0]!.capacity).toBe(1_563);
		caches.configure([{ ...A!, kvTokens: 1_000 }, B!]);
		expect(caches.statistics()[0]!.capacity).toBe(16);
	});

	test("is forgotten when it restarts, moves or leaves; what takes its place holds nothing", () => {
		const prompt = chain(1, 10);
		const both = (): void => [a, b].forEach((cache) => caches.confirm(cache, prompt));
		both();
		caches.forget(a);
		expect(held(prompt)).toEqual([0, 10]);
		both();
		caches.configure([{ ...A!, baseUrl: "http://elsewhere" }, B!]);
		expect(caches.get("p/a")).not.toBe(a);
		a = caches.get("p/a")!;
		expect(held(prompt)).toEqual([0, 10]);
		caches.configure([A!]);
		expect(caches.get("p/b")).toBeUndefined();
		caches.configure([A!, B!]);
		[a, b] = [caches.get("p/a")!, caches.get("p/b")!];
		expect(held(prompt)).toEqual([0, 0]);
	});

	test("comes back from what was stored of it, as long as it is the same", () => {
		const prompts = Array.from({ length: 30 }, (_, n) => chain(n, 20));
		for (const prompt of prompts) caches.confirm(a, prompt);
		expect(caches.changed(100)).toEqual(["p/a"]);
		const { replica, baseUrl, parts } = caches.snapshot(a);
		expect(caches.changed()).toEqual([]);

		const later = new ReplicaCaches(1 << 20);
		later.configure([A!, B!]);
		expect(parts.map((part) => later.restore(replica, baseUrl, part))).toEqual([true]);
		for (const prompt of prompts) expect(later.match(prompt)).toBe(20);
		expect(later.restore(replica, "http://elsewhere", parts[0]!)).toBe(false);
		expect(later.restore("p/unknown", baseUrl, parts[0]!)).toBe(false);
	});

	test("beyond the places of the index goes without", () => {
		const many = Array.from({ length: 1_030 }, (_, n) => ({ name: `p/${n}`, baseUrl: "http://p", kvTokens: 1_000 }));
		caches.configure(many);
		expect(caches.get("p/1023")).toBeDefined();
		expect(caches.get("p/1024")).toBeUndefined();
		const prompt = chain(1, 3);
		caches.confirm(caches.get("p/1000")!, prompt);
		expect(caches.match(prompt)).toBe(3);
		expect(caches.held(caches.get("p/1000")!)).toBe(3);
	});
});
