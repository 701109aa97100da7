import * as fc from "fast-check";
import { expect, test } from "vitest";
import { EventQueue } from "../../../bench/lib/event-queue.ts";
import { TokenTimeMeter } from "../../../src/shared/money/token-time.ts";
import { seeded } from "../../simulator/random.ts";

test("one request pays for all the time it ran", () => {
	const meter = new TokenTimeMeter();
	meter.begin("a", 100, 10);
	expect(meter.end("a", 13)).toBeCloseTo(3, 9);
});

test("two equal requests share the time they overlap", () => {
	const meter = new TokenTimeMeter();
	meter.begin("a", 100, 0);
	meter.begin("b", 100, 1);
	expect(meter.end("a", 3)).toBeCloseTo(2, 9);
	expect(meter.end("b", 4)).toBeCloseTo(2, 9);
	expect(meter.busy(9)).toBeCloseTo(4, 9);
});

test("shares add up to the busy time, whatever comes", () => {
	const event = fc.record({
		id: fc.integer({ min: 0, max: 6 }),
		begin: fc.boolean(),
		after: fc.double({ min: -1, max: 5, noNaN: true }),
		tokens: fc.integer({ min: 0, max: 1e6 }),
	});
	fc.assert(
		fc.property(fc.array(event, { maxLength: 60 }), (events) => {
			const meter = new TokenTimeMeter();
			let now = 1;
			let sum = 0;
			for (const e of events) {
				now = Math.max(0, now + e.after);
				if (e.begin) meter.begin(String(e.id), e.tokens, now);
				else sum += meter.end(String(e.id), now);
			}
			for (let id = 0; id <= 6; id++) sum += meter.end(String(id), now);
			expect(sum).toBeCloseTo(meter.busy(now), 6);
		}),
	);
});

test("a request that the meter heard of late pays for what it missed as for what it saw", () => {
	const meter = new TokenTimeMeter();
	// Alone all the while.
	meter.begin("alone", 100, 15);
	expect(meter.end("alone", 16, 0)).toBeCloseTo(16);
	// Beside another of three times its weight.
	meter.begin("small", 100, 30);
	meter.begin("large", 300, 30);
	expect(meter.end("small", 34, 20)).toBeCloseTo(1 + 10 / 4);
	// Heard of in the moment in which it ends: divided as it stood then.
	meter.begin("late", 100, 40);
	expect(meter.end("late", 40, 32)).toBeCloseTo(8 / 4);
	expect(meter.end("large", 40)).toBeCloseTo(3 + 6);
});

test("meters that tell one another what they hold divide the replica's time among them", () => {
	const step = fc.record({
		at: fc.integer({ min: 0, max: 2 }),
		id: fc.integer({ min: 0, max: 4 }),
		begin: fc.boolean(),
		after: fc.double({ min: 0, max: 9, noNaN: true }),
		tokens: fc.integer({ min: 1, max: 1e6 }),
	});
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
			const shards = Array.from({ length: 3 }, () => ({
				meter: new TokenTimeMeter(),
				held: new Map<string, number>(),
			}));
			const holds = ({ held }: (typeof shards)[number]): number => [...held.values()].reduce((a, b) => a + b, 0);
			let [now, busy, billed] = [1, 0, 0];
			const drive = (shard: (typeof shards)[number], id: string, tokens: number | null): void => {
				if (tokens === null) {
					billed += shard.meter.end(id, now);
					shard.held.delete(id);
				} else if (!shard.held.has(id)) {
					shard.meter.begin(id, tokens, now);
					shard.held.set(id, tokens);
				}
				const all = shards.reduce((sum, each) => sum + holds(each), 0);
				for (const each of shards) each.meter.beside(all - holds(each), 1e9, now);
			};
			for (const { at, id, begin, after, tokens } of steps) {
				now += after;
				if (shards.some(({ held }) => held.size > 0)) busy += after;
				drive(shards[at]!, String(id), begin ? tokens : null);
			}
			for (const shard of shards) for (const id of shard.held.keys()) drive(shard, id, null);
			expect(billed).toBeCloseTo(busy, 6);
			expect(shards.reduce((sum, { meter }) => sum + meter.busy(now), 0)).toBeCloseTo(busy, 6);
		}),
	);
});

test("what another meter holds counts for as long as its word does", () => {
	const meter = new TokenTimeMeter();
	meter.begin("a", 100, 0);
	meter.beside(300, 5, 10);
	expect(meter.end("a", 20)).toBeCloseTo(10 + 5 / 4 + 5);
	expect(meter.busy(20)).toBeCloseTo(10 + 5 / 4 + 5);
});

/** Requests that come at random to `shards` meters, each of which tells the others once a second what it holds while that is
 *  anything and once more, as schedulers do. Seconds that were billed, over those in which any request ran. */
function billedShare(shards: number, gap: number, length: number): number {
	const rng = seeded(7);
	const exponential = (mean: number): number => -mean * Math.log(1 - rng());
	const clock = new EventQueue();
	const all = Array.from({ length: shards }, (_, shard) => ({
		shard,
		meter: new TokenTimeMeter(),
		held: 0,
		due: false,
	}));
	type Shard = (typeof all)[number];
	const heard = all.map(() => new Map<number, number>());
	let [billed, busy, running, since] = [0, 0, 0, 0];

	const tell = ({ shard, held }: Shard): void => {
		for (const other of all) {
			if (other.shard === shard) continue;
			heard[other.shard]!.set(shard, held);
			const beside = [...heard[other.shard]!.values()].reduce((sum, each) => sum + each, 0);
			other.meter.beside(beside, 5, clock.now);
		}
	};
	const wake = (it: Shard): void => {
		if (it.due) return;
		it.due = true;
		tell(it);
		clock.schedule(clock.now + 1, () => {
			it.due = false;
			if (it.held > 0) wake(it);
			else tell(it);
		});
	};
	const arrive = (left: number): void => {
		const it = all[Math.floor(rng() * shards)]!;
		const tokens = 500 + Math.floor(4_000 * rng());
		if (running++ === 0) since = clock.now;
		it.meter.begin(`${left}`, tokens, clock.now);
		it.held += tokens;
		wake(it);
		clock.schedule(clock.now + exponential(length), () => {
			billed += it.meter.end(`${left}`, clock.now);
			it.held -= tokens;
			if (--running === 0) busy += clock.now - since;
		});
		if (left > 0) clock.schedule(clock.now + exponential(gap), () => arrive(left - 1));
	};
	clock.schedule(1, () => arrive(4_000));
	clock.run();
	return billed / busy;
}

test("a second's delay between meters costs little: nothing with many requests, some of the time of short ones", () => {
	expect(billedShare(1, 0.5, 5)).toBeCloseTo(1, 9);
	expect(Math.abs(billedShare(4, 0.1, 5) - 1)).toBeLessThan(0.02);
	expect(Math.abs(billedShare(4, 0.5, 5) - 1)).toBeLessThan(0.05);
	const short = billedShare(4, 0.5, 1);
	expect(short).toBeGreaterThan(0.75);
	expect(short).toBeLessThan(1.02);
});
