import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockChain } from "./block-chain.ts";
import { Counters } from "./counters.ts";
import { Engine, type Sequence } from "./engine.ts";
import { PROFILES, type EngineProfile } from "./profile.ts";

/** Round numbers: a step takes 0.01 s, 0.001 s more for a sequence and 1 s more for 1,000 tokens of prefill. */
const PROFILE: EngineProfile = {
	...PROFILES.H100,
	prefillTokensPerSecond: 1_000,
	stepSeconds: 0.01,
	secondsPerSequence: 0.001,
	secondsPerContextToken: 0,
	kvTokens: 16_000,
	batchTokens: 500,
};

interface Trace {
	readonly sequence: Sequence;
	readonly tokenTimes: number[];
	endedAt: number | null;
}

class Bench {
	readonly counters = new Counters(0);
	readonly engine: Engine;
	#now = 0;

	constructor(profile: Partial<EngineProfile> = {}) {
		this.engine = new Engine({ ...PROFILE, ...profile }, this.counters);
	}

	/** A prompt of `prompt` tokens which begin with `prefix` times the token 7; then the tokens `name` and so on. */
	submit(name: number, prompt: number, output: number, prefix = 0): Trace {
		const chain = new BlockChain();
		for (let i = 0; i < prompt; i++) chain.push(i < prefix ? 7 : 1_000 * name + i);
		const tokenTimes: number[] = [];
		const sequence = this.engine.submit(
			{
				chain,
				promptTokens: prompt,
				outputTokens: output,
				finish: "stop",
				outputId: (index) => 1_000 * name + 500 + index,
				onToken: (_, at) => tokenTimes.push(at),
				onEnd: (_, at) => (trace.endedAt = at),
			},
			this.#now,
		);
		const trace: Trace = { sequence, tokenTimes, endedAt: null };
		return trace;
	}

	step(): boolean {
		const endsAt = this.engine.begin(this.#now);
		if (endsAt === null) return false;
		this.#now = endsAt;
		this.engine.end();
		return true;
	}

	run(stepsMax = 10_000): number {
		let steps = 0;
		while (steps < stepsMax && this.step()) steps++;
		return steps;
	}
}

describe("a sequence alone", () => {
	it("gets its first token after its prefill and the others one step each", () => {
		const bench = new Bench();
		const trace = bench.submit(1, 400, 3);
		bench.run();
		const { tokenTimes } = trace;
		expect(tokenTimes).toHaveLength(3);
		expect(trace.endedAt).toBe(tokenTimes[2]);
		expect(tokenTimes[0]).toBeCloseTo(0.01 + 0.001 + 0.4, 9);
		expect(tokenTimes[1]! - tokenTimes[0]!).toBeCloseTo(0.011, 9);
	});

	it("is prefilled in chunks of the token budget", () => {
		const bench = new Bench();
		const { tokenTimes } = bench.submit(1, 1_200, 1);
		expect(bench.run()).toBe(3);
		expect(tokenTimes[0]).toBeCloseTo(3 * 0.011 + 1.2, 9);
	});

	it("without output ends with its prefill, as an embedding does", () => {
		const bench = new Bench();
		const trace = bench.submit(1, 100, 0);
		bench.run();
		expect(trace.tokenTimes).toEqual([]);
		expect(trace.endedAt).toBeCloseTo(0.111, 9);
	});
});

describe("a batch", () => {
	it("shares decode steps: two at once take hardly longer than one", () => {
		const alone = new Bench();
		const one = alone.submit(1, 16, 100);
		alone.run();
		const both = new Bench();
		const a = both.submit(1, 16, 100);
		const b = both.submit(2, 16, 100);
		both.run();
		expect(a.endedAt).toBe(b.endedAt);
		expect(a.endedAt!).toBeLessThan(1.15 * one.endedAt!);
	});

	it("shares the prefill rate: the second of two prompts is there when both are computed", () => {
		const bench = new Bench();
		const a = bench.submit(1, 500, 1);
		const b = bench.submit(2, 500, 1);
		bench.run();
		expect(a.tokenTimes[0]).toBeCloseTo(0.011 + 0.5, 9);
		expect(b.tokenTimes[0]).toBeCloseTo(2 * 0.011 + 1, 9);
	});

	it("slows decoding down while a prompt is prefilled", () => {
		const bench = new Bench();
		const decoding = bench.submit(1, 16, 50);
		bench.step();
		bench.submit(2, 400, 1);
		bench.step();
		bench.run();
		expect(decoding.tokenTimes[1]! - decoding.tokenTimes[0]!).toBeCloseTo(0.012 + 0.4, 9);
		expect(decoding.tokenTimes[3]! - decoding.tokenTimes[2]!).toBeCloseTo(0.011, 9);
	});

	it("costs bandwidth for its context, and `slow` multiplies everything", () => {
		const bench = new Bench({ secondsPerContextToken: 1e-5 });
		const { tokenTimes } = bench.submit(1, 100, 3);
		bench.step();
		bench.engine.slow = 3;
		bench.run();
		expect(tokenTimes[1]! - tokenTimes[0]!).toBeCloseTo(3 * (0.011 + 100e-5), 9);
		expect(tokenTimes[2]! - tokenTimes[1]!).toBeCloseTo(3 * (0.011 + 101e-5), 9);
	});

	it("lets no more run than the limit, first come first served", () => {
		const bench = new Bench({ maxRunning: 2 });
		const traces = [1, 2, 3].map((name) => bench.submit(name, 16, 10));
		bench.step();
		expect([bench.engine.running, bench.engine.waiting]).toEqual([2, 1]);
		bench.run();
		expect(traces[2]!.tokenTimes[0]).toBeGreaterThan(traces[0]!.endedAt!);
	});
});

describe("KV memory", () => {
	it("that is full makes prompts wait until somebody leaves", () => {
		const bench = new Bench({ kvTokens: 320 });
		const first = bench.submit(1, 200, 20);
		const second = bench.submit(2, 200, 20);
		bench.step();
		expect([bench.engine.running, bench.engine.waiting]).toEqual([1, 1]);
		expect(bench.engine.kvUsage).toBeCloseTo(13 / 20, 9);
		bench.run();
		expect(second.tokenTimes[0]).toBeGreaterThan(first.endedAt!);
		expect(bench.engine.kvUsage).toBe(0);
	});

	it("that runs out while decoding pre-empts the youngest, which still gets every token once", () => {
		const bench = new Bench({ kvTokens: 320 });
		const first = bench.submit(1, 144, 100);
		const second = bench.submit(2, 144, 100);
		bench.run();
		expect(bench.counters.preemptions).toBeGreaterThan(0);
		expect(first.tokenTimes).toHaveLength(100);
		expect(second.tokenTimes).toHaveLength(100);
		expect(second.endedAt!).toBeGreaterThan(first.endedAt!);
		expect(bench.counters.promptTokens).toBe(288);
	});
});

describe("prefix caching", () => {
	it("skips what is cached: the TTFT of a repeated prompt is that of its rest", () => {
		const bench = new Bench();
		const first = bench.submit(1, 480, 1, 400);
		bench.run();
		const start = first.endedAt!;
		const second = bench.submit(2, 480, 1, 400);
		bench.run();
		expect(first.sequence.cachedTokens).toBe(0);
		expect(second.sequence.cachedTokens).toBe(400);
		expect(second.tokenTimes[0]! - start).toBeCloseTo(0.011 + 0.08, 9);
		expect([bench.counters.prefixQueries, bench.counters.prefixHits]).toEqual([960, 400]);
	});

	it("always computes the last token", () => {
		const bench = new Bench();
		bench.submit(1, 64, 1);
		bench.run();
		const again = bench.submit(1, 64, 1);
		bench.run();
		expect(again.sequence.cachedTokens).toBe(48);
	});

	it("covers the answer too, so that the next turn of a conversation finds it", () => {
		const bench = new Bench();
		const first = bench.submit(1, 32, 33);
		bench.run();
		const chain = first.sequence.chain.fork();
		for (let i = 0; i < 16; i++) chain.push(1);
		const input = { chain, promptTokens: 81, outputTokens: 1, finish: "stop", outputId: () => 0 } as const;
		const next = bench.engine.submit({ ...input, onEnd: () => {} }, 10);
		bench.step();
		expect(next.cachedTokens).toBe(64);
	});

	it("is shared within one step, and lost with a reset", () => {
		const bench = new Bench();
		const a = bench.submit(1, 100, 1, 96);
		const b = bench.submit(2, 100, 1, 96);
		bench.run();
		expect([a.sequence.cachedTokens, b.sequence.cachedTokens]).toEqual([0, 96]);
		bench.engine.resetPrefixCache();
		const c = bench.submit(3, 100, 1, 96);
		bench.run();
		expect(c.sequence.cachedTokens).toBe(0);
	});

	it("keeps the most recently used of more than fits", () => {
		const bench = new Bench({ kvTokens: 320 });
		for (const name of [1, 2, 3]) {
			bench.submit(name, 160, 1);
			bench.run();
		}
		const [old, recent] = [bench.submit(3, 160, 1), bench.submit(1, 160, 1)];
		bench.run();
		expect(old.sequence.cachedTokens).toBe(144);
		expect(recent.sequence.cachedTokens).toBe(0);
	});
});

describe("abort", () => {
	it("frees the place and the memory at once, running or waiting, even within a step", () => {
		const bench = new Bench({ maxRunning: 1 });
		const running = bench.submit(1, 160, 100);
		const waiting = bench.submit(2, 160, 100);
		const last = bench.submit(3, 160, 1);
		bench.step();
		bench.engine.begin(1);
		bench.engine.abort(running.sequence);
		bench.engine.abort(waiting.sequence);
		expect([bench.engine.running, bench.engine.waiting, bench.engine.kvUsage]).toEqual([0, 1, 0]);
		bench.engine.end();
		bench.run();
		expect(running.tokenTimes).toHaveLength(1);
		expect(last.endedAt).not.toBeNull();
		expect(bench.counters.finished).toEqual({ stop: 1, length: 0, abort: 2 });
	});
});

describe("any load", () => {
	const job = fc.record({
		prompt: fc.integer({ min: 1, max: 150 }),
		output: fc.integer({ min: 0, max: 60 }),
		prefix: fc.nat(150),
	});

	it("is served completely, in the same way each time, and leaves nothing behind", () => {
		fc.assert(
			fc.property(
				fc.array(job, { minLength: 1, maxLength: 20 }),
				fc.integer({ min: 1, max: 6 }),
				(jobs, maxRunning) => {
					const play = () => {
						const bench = new Bench({ kvTokens: 256, maxRunning, batchTokens: 64 });
						const traces = jobs.map(({ prompt, output, prefix }, i) => bench.submit(i, prompt, output, prefix));
						bench.run();
						expect([bench.engine.running, bench.engine.waiting, bench.engine.kvUsage]).toEqual([0, 0, 0]);
						for (const [i, { tokenTimes, endedAt }] of traces.entries()) {
							expect(tokenTimes).toHaveLength(jobs[i]!.output);
							expect(endedAt).not.toBeNull();
							expect([...tokenTimes].sort((a, b) => a - b)).toEqual(tokenTimes);
						}
						return traces.map(({ tokenTimes }) => tokenTimes);
					};
					expect(play()).toEqual(play());
				},
			),
			{ numRuns: 60 },
		);
	});
});
