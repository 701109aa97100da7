import { describe, expect, test } from "vitest";
import { CHAT_FLEETS, enginesOf } from "../../../../bench/replay/fleet.ts";
import { isobarRouter, type Circumstances } from "../../../../bench/replay/policies/isobar.ts";
import { simulate, type Outcome } from "../../../../bench/replay/simulate.ts";
import type { Trace } from "../../../../bench/replay/trace.ts";
import { seeded } from "../../../simulator/random.ts";
import { requestOf, traceOf } from "./support.ts";

const EQUAL = CHAT_FLEETS[0]!;
const MIXED = CHAT_FLEETS[1]!;

/** Conversations of four turns, each of which adds two blocks to the prompt of the last. */
function conversations(count: number): Trace {
	const rng = seeded(5);
	const turns = Array.from({ length: count }, (_, n) => {
		const start = rng() * 200;
		return [0, 1, 2, 3].map((turn) => requestOf(start + 15 * turn, 8_200 + 1_024 * turn, 40, 100 * n, n));
	});
	return traceOf(turns.flat().toSorted((a, b) => a.at - b.at));
}

function play(trace: Trace, circumstances: Circumstances, fleet = EQUAL, seed = 1): Outcome {
	return simulate(trace, enginesOf(fleet, seeded(1)), isobarRouter(fleet, circumstances, 0, seed));
}

function hits(trace: Trace, { cached }: Outcome): number {
	return cached.reduce((sum, each) => sum + each, 0) / trace.requests.reduce((sum, { input }) => sum + input, 0);
}

const TRACE = conversations(100);

describe("ours", () => {
	test("finds the prefixes that it sent, and spreads conversations over the fleet", () => {
		const outcome = play(TRACE, { places: 0 });
		// Three turns of four can hit 16, 18 and 20 blocks of 8,200 to 11,272 tokens.
		expect(hits(TRACE, outcome)).toBeGreaterThan(0.65);
		const counts = new Map<number, number>();
		for (const replica of outcome.replica) counts.set(replica, (counts.get(replica) ?? 0) + 1);
		expect(Math.max(...counts.values())).toBeLessThan(3 * (TRACE.requests.length / 8));
	});

	test("gives slow machines less than fast ones", () => {
		const { replica } = play(TRACE, { places: 0 }, MIXED);
		const slow = replica.filter((index) => index >= 4).length;
		expect(slow).toBeLessThan(TRACE.requests.length / 4);
	});

	test("does the same twice, and something else with another seed", () => {
		const circumstances = { places: 4 };
		expect(play(TRACE, circumstances)).toEqual(play(TRACE, circumstances));
		expect(play(TRACE, circumstances, EQUAL, 2).ttft).not.toEqual(play(TRACE, circumstances).ttft);
	});
});

describe("away from the object", () => {
	test("each answer is later by the round trip", () => {
		const one = traceOf([requestOf(0, 700)]);
		const added = play(one, { places: 1 }).ttft[0]! - play(one, { places: 0 }).ttft[0]!;
		expect(added).toBeGreaterThan(0.0005);
		expect(added).toBeLessThanOrEqual(0.25 + 1e-9);
	});

	test("without it, each waits for the deadline and the conversations keep their replicas", () => {
		const outcome = play(TRACE, { places: 16, alone: true });
		expect(Math.min(...outcome.ttft)).toBeGreaterThan(0.25);
		const homes = new Map<number, Set<number>>();
		TRACE.requests.forEach(({ conversation }, id) => {
			homes.set(conversation, (homes.get(conversation) ?? new Set()).add(outcome.replica[id]!));
		});
		expect([...homes.values()].filter(({ size }) => size === 1).length).toBeGreaterThan(90);
	});

	test("when it is lost for a minute, only that minute waits for the deadline", () => {
		const span = TRACE.requests.at(-1)!.at;
		const { ttft } = play(TRACE, { places: 4, lostAt: 0.5 });
		const usual = play(TRACE, { places: 4 }).ttft;
		let waited = 0;
		TRACE.requests.forEach(({ at }, id) => {
			const lost = at >= 0.5 * span && at < 0.5 * span + 60;
			if (lost) expect(ttft[id]).toBeGreaterThan(0.25);
			if (lost) waited++;
			if (at < 0.5 * span) expect(ttft[id]).toBe(usual[id]);
		});
		expect(waited).toBeGreaterThan(20);
	});
});
