import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EngineEvents } from "../../../src/shared/kv/events/engine-events.ts";
import { TIERS, type KvEvent, type SequencedBatch } from "../../../src/shared/kv/events/event.ts";
import { tokenChain } from "../../../src/shared/kv/events/token-chain.ts";
import { idsOf, NaiveEngine } from "./naive-engine.ts";

const SOURCE = { replica: "p/a", rank: 0, topic: null };
const PROMPT_TOKENS = 96;

const hash = fc.integer({ min: 1, max: 12 });
const tier = fc.integer({ min: 0, max: 1 });
/** Few tokens, so that prompts share prefixes. */
const token = fc.integer({ min: 7, max: 8 });
const lora = fc.constantFrom(null, null, null, "adapter");

const storedOf = (blockSize: number) =>
	fc
		.record({
			hashes: fc.array(hash, { minLength: 1, maxLength: 3 }),
			parent: fc.option(hash, { freq: 1 }),
			token,
			tier,
			lora,
			known: fc.boolean(),
		})
		.map(({ hashes, parent, token, tier, lora, known }): KvEvent => ({
			kind: "stored",
			ids: idsOf(hashes),
			parent: parent === null ? null : idsOf([parent]),
			tokens: new Uint32Array(known ? 0 : hashes.length * blockSize).fill(token),
			blockSize,
			tier,
			group: 0,
			slidingWindow: false,
			lora,
			extras: null,
		}));
const removed = fc
	.record({ hashes: fc.array(hash, { minLength: 1, maxLength: 3 }), tier })
	.map(({ hashes, tier }): KvEvent => ({ kind: "removed", ids: idsOf(hashes), tier, group: 0 }));
const cleared = fc.constant<KvEvent>({ kind: "cleared" });
const eventsOf = (blockSize: number) =>
	fc.array(
		fc.oneof(
			{ weight: 12, arbitrary: storedOf(blockSize) },
			{ weight: 4, arbitrary: removed },
			{ weight: 1, arbitrary: cleared },
		),
		{ maxLength: 6 },
	);
/** An engine has one block size. */
const blockSize = fc.constantFrom(4, 8, 16, 24, 32);

const prompts = fc.array(
	fc.record({ tokens: fc.array(token, { minLength: PROMPT_TOKENS, maxLength: PROMPT_TOKENS }), lora }),
	{ maxLength: 4 },
);

function batchOf(seq: number, ts: number, list: readonly KvEvent[], lost = false): SequencedBatch {
	return { seq, lost, batch: { ts, events: list, rank: null, unknown: 0 } };
}

function expectSame(
	ours: EngineEvents,
	naive: NaiveEngine,
	asked: readonly { tokens: number[]; lora: string | null }[],
) {
	const known = naive.prompts().map(({ prompt, lora }) => ({ tokens: [...prompt], lora }));
	for (const { tokens, lora } of [...known, ...asked]) {
		const [row] = ours.lookup(() => tokenChain(Uint32Array.from(tokens), lora, null));
		const { tokens: held, tiers } = naive.match(tokens, lora);
		expect(row?.tokens ?? 0).toBe(held);
		expect(TIERS.map((name) => row?.tiers[name] ?? 0)).toEqual(tiers);
	}
}

describe("engine events", () => {
	test("any sequence of batches leaves the index as a naive model has it", () => {
		const steps = blockSize.chain((size) =>
			fc.array(
				fc.record({
					seq: fc.integer({ min: 0, max: 8 }),
					ts: fc.integer({ min: 0, max: 8 }),
					lost: fc.boolean(),
					next: fc.boolean(),
					events: eventsOf(size),
				}),
				{ maxLength: 25 },
			),
		);
		fc.assert(
			fc.property(steps, prompts, (steps, asked) => {
				const ours = new EngineEvents({ blocksMax: 4_096 });
				// The rules again, over a list of what counts: all of it is read anew for the comparison.
				let used: { seq: number; ts: number; events: readonly KvEvent[] }[] = [];
				let next = 0;
				for (const { seq: any, ts, lost, next: isNext, events } of steps) {
					const seq = isNext ? next : any;
					ours.accept(SOURCE, [batchOf(seq, ts, events, lost)]);
					const last = used.at(-1);
					if (seq === next || (seq > next && lost)) {
						if (lost) used = [];
						used.push({ seq, ts, events });
						next = seq + 1;
					} else if (seq < next && ts > last!.ts) {
						used = seq === 0 || lost ? [{ seq, ts, events }] : [];
						next = used.length > 0 ? seq + 1 : 0;
					}
				}
				const naive = new NaiveEngine();
				for (const { events } of used) for (const each of events) naive.apply(each);
				expectSame(ours, naive, asked);
			}),
			{ numRuns: 600 },
		);
	});

	test("what is lost, doubled, swapped or of an earlier life is made good by replays", () => {
		const lives = blockSize.chain((size) =>
			fc.array(fc.array(eventsOf(size), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
		);
		/** For each message: is it lost, comes twice, or comes one later. */
		const fates = fc.array(fc.constantFrom("arrives", "arrives", "lost", "twice", "late"), { minLength: 40 });
		fc.assert(
			fc.property(lives, fates, (lives, fates) => {
				const ours = new EngineEvents({ blocksMax: 4_096 });
				let at = 0;
				let clock = 0;
				let late: SequencedBatch | null = null;
				let naive = new NaiveEngine();
				for (const batches of lives) {
					naive = new NaiveEngine();
					const buffer = batches.map((list, seq) => batchOf(seq, ++clock, list));
					let connected = false;
					const send = (batch: SequencedBatch): void => {
						// A forwarder that had to connect anew shows the oldest batch there is first.
						if (!connected) ours.accept(SOURCE, buffer.slice(0, 1));
						connected = true;
						const { replay_from: from } = ours.accept(SOURCE, [batch]);
						if (from === null) return;
						const sent = buffer.slice(0, batch.seq + 1);
						const again = ours.accept(SOURCE, sent.slice(from));
						// The engine has restarted since.
						if (again.replay_from !== null) ours.accept(SOURCE, sent.slice(again.replay_from));
					};
					for (const batch of buffer) {
						for (const each of batch.batch.events) naive.apply(each);
						const fate = batch === buffer.at(-1) ? "arrives" : fates[at++ % fates.length]!;
						if (fate === "lost") continue;
						if (fate === "late" && late === null) {
							late = batch;
							continue;
						}
						send(batch);
						if (fate === "twice") send(batch);
						if (late && buffer.includes(late)) send(late);
						late = null;
					}
				}
				expectSame(ours, naive, []);
			}),
			{ numRuns: 300 },
		);
	});

	test("the memory is bounded, whatever comes, and dead blocks go first", () => {
		fc.assert(
			fc.property(fc.array(eventsOf(16), { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (batches, blocksMax) => {
				const ours = new EngineEvents({ blocksMax });
				for (const [seq, list] of batches.entries()) ours.accept(SOURCE, [batchOf(seq, seq, list)]);
				expect(ours.stats().entries).toBeLessThanOrEqual(blocksMax);
				const { tokens } = ours.stats().ranks[0] ?? { tokens: {} };
				for (const held of Object.values(tokens)) expect(held).toBeGreaterThanOrEqual(0);
			}),
			{ numRuns: 200 },
		);
	});

	test("a prefix that is built upon outlives chains that are not", () => {
		const ours = new EngineEvents({ blocksMax: 64 });
		const block = (hash: number, parent: number | null, token: number): KvEvent => ({
			kind: "stored",
			ids: idsOf([hash]),
			parent: parent === null ? null : idsOf([parent]),
			tokens: new Uint32Array(16).fill(token),
			blockSize: 16,
			tier: 0,
			group: 0,
			slidingWindow: false,
			lora: null,
			extras: null,
		});
		// Not at the table's edge, whatever order it is gone through in.
		const others = Array.from({ length: 31 }, (_, index) => block(5_000 + index, null, 5_000 + index));
		ours.accept(SOURCE, [batchOf(0, 0, [...others, block(1, null, 1), block(2, 1, 2)])]);
		for (let seq = 1; seq < 1_000; seq++) {
			ours.accept(SOURCE, [batchOf(seq, seq, [block(1_000 + seq, 2, 100 + seq)])]);
		}
		const prompt = Uint32Array.from([...Array(16).fill(1), ...Array(16).fill(2), ...Array(16).fill(100 + 999)]);
		expect(ours.lookup(() => tokenChain(prompt, null, null))[0]).toMatchObject({ tokens: 48 });
		expect(ours.stats()).toMatchObject({ entries: 64, evicted: 1_032 - 64 });
	});

	test("replicas and ranks are apart, and one that is gone is forgotten", () => {
		const emptied: string[] = [];
		const ours = new EngineEvents({ blocksMax: 4_096, onEmptied: (replica) => emptied.push(replica) });
		const prompt = new Uint32Array(32).fill(5);
		const list: KvEvent[] = [
			{
				kind: "stored",
				ids: idsOf([1, 2]),
				parent: null,
				tokens: prompt,
				blockSize: 16,
				tier: 0,
				group: 0,
				slidingWindow: false,
				lora: null,
				extras: null,
			},
		];
		ours.accept(SOURCE, [batchOf(0, 1, list)]);
		ours.accept({ ...SOURCE, rank: 3 }, [batchOf(0, 1, list)]);
		ours.accept({ ...SOURCE, replica: "p/b" }, [
			batchOf(0, 1, list),
			batchOf(1, 2, [{ kind: "removed", ids: idsOf([2]), tier: 0, group: 0 }]),
		]);
		const chain = tokenChain(prompt, null, null);
		expect(ours.lookup(() => chain)).toEqual([
			{ replica: "p/a", dp_rank: 0, tokens: 32, tiers: { GPU: 32 } },
			{ replica: "p/a", dp_rank: 3, tokens: 32, tiers: { GPU: 32 } },
			{ replica: "p/b", dp_rank: 0, tokens: 16, tiers: { GPU: 16 } },
		]);
		ours.forget("p/a");
		expect(ours.lookup(() => chain).map(({ replica }) => replica)).toEqual(["p/b"]);
		expect(ours.accept({ ...SOURCE, replica: "p/b" }, [batchOf(0, 9, [])])).toMatchObject({ resets: 1, next: 1 });
		expect(emptied).toEqual(["p/b"]);
		ours.keep(() => false);
		expect(ours.stats().ranks).toEqual([]);
	});
});

describe("about how much is held of a prompt", () => {
	/** One event stores the first `blocks` blocks of a prompt in so many. */
	const beginning = (prompt: Uint32Array, blocks: number): KvEvent => ({
		kind: "stored",
		ids: idsOf(Array.from({ length: blocks }, (_, i) => i + 1)),
		parent: null,
		tokens: prompt.slice(0, 16 * blocks),
		blockSize: 16,
		tier: 0,
		group: 0,
		slidingWindow: false,
		lora: null,
		extras: null,
	});

	test("is as much as is, where engines free blocks from the end; the fullest rank counts", () => {
		const size = fc.nat(70);
		fc.assert(
			fc.property(size, size, size, (held, other, asked) => {
				const prompt = Uint32Array.from({ length: 16 * 70 }, (_, i) => i);
				const events = new EngineEvents({ blocksMax: 4_096 });
				events.accept(SOURCE, [batchOf(0, 1, [beginning(prompt, held)])]);
				events.accept({ ...SOURCE, rank: 1 }, [batchOf(0, 1, [beginning(prompt, other)])]);
				const chain = tokenChain(prompt.subarray(0, 16 * asked), null, null);
				const most = Math.min(asked, Math.max(held, other));
				expect([...events.extents(() => chain)]).toEqual(most > 0 ? [["p/a", 16 * most]] : []);
				expect(events.lookup(() => chain)[0]?.tokens ?? 0).toBe(16 * most);
			}),
		);
	});

	test("is found in a few looks, whatever the prompt's length", () => {
		const prompt = Uint32Array.from({ length: 131_072 }, (_, i) => i);
		const events = new EngineEvents({ blocksMax: 200_000 });
		for (let n = 0; n < 16; n++)
			events.accept({ ...SOURCE, replica: `p/${n}` }, [batchOf(0, 1, [beginning(prompt, 8_192 - 500 * n)])]);
		const chain = tokenChain(prompt, null, null);
		let reads = 0;
		const counting = new Proxy(chain, {
			get: (target, name) => {
				if (typeof name === "string" && /^\d/.test(name)) reads++;
				return Reflect.get(target, name, target) as unknown;
			},
		});
		const found = events.extents(() => counting);
		expect(found.get("p/3")).toBe(16 * (8_192 - 1_500));
		expect(reads / 2 / 16).toBeLessThan(30);
	});
});

describe("how much an engine can hold", () => {
	const stored = (number: number, parent: number | null = null): KvEvent => ({
		kind: "stored",
		ids: idsOf([number]),
		parent: parent === null ? null : idsOf([parent]),
		tokens: new Uint32Array(16).fill(number),
		blockSize: 16,
		tier: 0,
		group: 0,
		slidingWindow: false,
		lora: null,
		extras: null,
	});
	const gone = (number: number, tier = 0): KvEvent => ({ kind: "removed", ids: idsOf([number]), tier, group: 0 });

	function listening(blocksMax = 1_000) {
		const told: [string, number | null][] = [];
		const events = new EngineEvents({ blocksMax, onCapacity: (replica, tokens) => told.push([replica, tokens]) });
		return { events, told };
	}

	test("is what is left when it evicts, of all ranks, and more when it is seen to hold more", () => {
		const { events, told } = listening();
		events.accept(SOURCE, [
			batchOf(
				0,
				1,
				[1, 2, 3, 4].map((n) => stored(n)),
			),
		]);
		// Another rank of the replica has a cache of its own.
		events.accept({ ...SOURCE, rank: 1 }, [
			batchOf(
				0,
				1,
				[5, 6].map((n) => stored(n)),
			),
		]);
		expect(told).toEqual([]);
		events.accept(SOURCE, [batchOf(1, 2, [gone(1), stored(7), gone(2)])]);
		expect(told).toEqual([["p/a", 5 * 16]]);
		events.accept(SOURCE, [batchOf(2, 3, [stored(8)]), batchOf(3, 4, [gone(3, 1)])]);
		expect(told.slice(1)).toEqual([["p/a", 6 * 16]]);
		events.accept(SOURCE, [batchOf(4, 5, [gone(4), { kind: "cleared" }])]);
		expect(told.slice(2)).toEqual([["p/a", null]]);
	});

	test("is not told by one whose beginning is not known, until it was cleared", () => {
		const { events, told } = listening();
		// After an eviction of the object, when the engine has no replay: what is removed and built upon was never seen.
		events.accept(SOURCE, [batchOf(900, 1, [stored(1, 99), stored(2), gone(98)], true)]);
		events.accept(SOURCE, [batchOf(901, 2, [gone(2), gone(97)])]);
		expect(told).toEqual([]);
		events.accept(SOURCE, [batchOf(902, 3, [{ kind: "cleared" }, stored(3), stored(4), gone(3)])]);
		expect(told).toEqual([["p/a", 16]]);
	});

	test("is not known any more after a gap, an orphan, or when the table had no room", () => {
		const full = [
			batchOf(
				0,
				1,
				[1, 2, 3].map((n) => stored(n)),
			),
			batchOf(1, 2, [gone(1)]),
		];
		for (const [more, blocksMax] of [
			[batchOf(7, 3, [stored(4)], true), 1_000],
			[batchOf(2, 3, [stored(4, 77), gone(2)]), 1_000],
			[
				batchOf(
					2,
					3,
					[4, 5, 6].map((n) => stored(n)),
				),
				4,
			],
		] as const) {
			const { events, told } = listening(blocksMax);
			events.accept(SOURCE, full);
			expect(told).toEqual([["p/a", 2 * 16]]);
			events.accept(SOURCE, [more]);
			expect(told.at(-1)).toEqual(["p/a", null]);
			const before = told.length;
			events.accept(SOURCE, [batchOf(more.seq + 1, 4, [gone(3), gone(4)])]);
			expect(told).toHaveLength(before);
		}
	});

	test("removing what was never there tells nothing", () => {
		const { events, told } = listening();
		events.accept(SOURCE, [
			batchOf(
				0,
				1,
				[1, 2, 3].map((n) => stored(n)),
			),
			batchOf(1, 2, [gone(50)]),
		]);
		expect(told).toEqual([]);
	});
});
