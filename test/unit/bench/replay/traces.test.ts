import { expect, test } from "vitest";
import { parseSessions } from "../../../../bench/replay/traces/agentic.ts";
import { parseMooncake } from "../../../../bench/replay/traces/mooncake.ts";
import { sampleSessions, sampleTrace } from "../../../../bench/replay/traces/sample.ts";
import { atSpeed, reusableBlocks } from "../../../../bench/replay/trace.ts";
import { seeded } from "../../../simulator/random.ts";
import { requestOf, traceOf } from "./support.ts";

test("Mooncake: milliseconds, whole blocks only, conversations by their second block", () => {
	const line = { timestamp: 1_500, input_length: 1_300, output_length: 7, hash_ids: [0, 41, 42] };
	const { requests, blockIds } = parseMooncake(`${JSON.stringify(line)}\n`);
	expect(requests).toEqual([{ at: 1.5, input: 1_300, output: 7, blocks: Int32Array.of(0, 41), conversation: 41 }]);
	expect(blockIds).toBe(43);
});

test("agentic: the eighth id of each eight names a block, across ranges, and sub-agents count from where they begin", () => {
	const session = {
		requests: [
			{ t: 0, in: 1_100, out: 3, hash_ids: [[1, 17]] },
			{
				t: 4,
				type: "subagent",
				requests: [
					{
						t: 1,
						in: 1_100,
						out: 0,
						hash_ids: [
							[1, 8],
							[100, 107],
						],
					},
				],
			},
			{
				t: 9,
				in: 1_600,
				out: 5,
				hash_ids: [
					[1, 12],
					[50, 62],
				],
			},
		],
	};
	const [trace] = parseSessions(JSON.stringify(session));
	// Ids 8 and 16; 8 and 107; 8, 53 (the 16th) and 61 (the 24th).
	expect(trace!.requests.map(({ at, output, blocks }) => ({ at, output, blocks: [...blocks] }))).toEqual([
		{ at: 0, output: 3, blocks: [0, 1] },
		{ at: 5, output: 1, blocks: [0, 2] },
		{ at: 9, output: 5, blocks: [0, 3, 4] },
	]);
	expect(trace!.blockIds).toBe(5);
});

test("the last token of a prompt is always computed", () => {
	expect(reusableBlocks(requestOf(0, 1_024))).toBe(1);
	expect(reusableBlocks(requestOf(0, 1_025))).toBe(2);
	expect(reusableBlocks(requestOf(0, 100))).toBe(0);
});

test("a faster replay keeps order and proportions", () => {
	const trace = { ...traceOf([requestOf(10, 100), requestOf(12, 100), requestOf(20, 100)]), judgedFrom: 15 };
	const fast = atSpeed(trace, 2);
	expect(fast.requests.map(({ at }) => at)).toEqual([0, 1, 5]);
	expect(fast.judgedFrom).toBe(2.5);
});

test("halves do not overlap where they are judged, and a seed decides everything", () => {
	const all = traceOf(Array.from({ length: 1_000 }, (_, n) => requestOf(n, 600, 1, n, n % 50)));
	const take = (half: "first" | "second", seed: number) => sampleTrace(all, 0, { half, rng: seeded(seed), size: 1 });
	const first = take("first", 1);
	const second = take("second", 1);
	expect(first.requests.every(({ at }) => at < 500)).toBe(true);
	expect(first.judgedFrom).toBe(150);
	expect(second.judgedFrom).toBe(500);
	expect(second.requests[0]!.at).toBeLessThan(50);
	expect(take("second", 1)).toEqual(second);
	expect(take("second", 2)).not.toEqual(second);
	const kept = new Set(second.requests.map(({ conversation }) => conversation));
	expect(kept.size).toBeLessThan(50);
	// All of a conversation or nothing.
	expect(second.requests.length).toBe(20 * kept.size);
});

test("sessions of one half only, each once, their blocks apart", () => {
	const sessions = Array.from({ length: 10 }, (_, n) => traceOf([requestOf(0, 1_024 * (n + 1)), requestOf(3, 600)]));
	const sampling = { half: "second", rng: seeded(4), size: 1 } as const;
	const { requests, blockIds } = sampleSessions(sessions, 20, sampling);
	const firsts = requests.filter(({ input }) => input !== 600).map(({ input }) => input / 1_024);
	expect(firsts.toSorted((a, b) => a - b)).toEqual([6, 7, 8, 9, 10]);
	const owner = new Map<number, number>();
	for (const { blocks, conversation } of requests) {
		for (const block of blocks) {
			expect(owner.get(block) ?? conversation).toBe(conversation);
			owner.set(block, conversation);
		}
	}
	expect(Math.max(...owner.keys())).toBeLessThan(blockIds);
});
