import { createEstimator } from "../../src/shared/router/estimator/estimator.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import type { Weights } from "../../src/shared/router/weights/weights.ts";
import { percentile } from "../lib/statistics.ts";

export interface Decisions {
	readonly models: number;
	/** Milliseconds for a prompt of 4 KB, all parts asked. */
	readonly p50: number;
	readonly p99: number;
}

const PROMPT_CHARS = 4_096;
const PROMPTS = 200;

/** Time of an estimate, warm, of prompts of 4 KB: prompts of one domain after the other until it is full. The neighbours are
 *  asked every time, which the rule would leave out for most of these. */
export function measureDecisions(weights: Weights, judged: readonly Outcome[], quick: boolean): Decisions {
	const estimator = createEstimator(weights, "always");
	const sorted = judged.toSorted((a, b) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0));
	const text = Buffer.from(sorted.map(({ prompt }) => prompt).join("\n"));
	const step = Math.max(1, Math.floor((text.length - PROMPT_CHARS) / PROMPTS));
	const prompts = Array.from({ length: PROMPTS }, (_, i) =>
		text.subarray(i * step, i * step + PROMPT_CHARS).toString("latin1"),
	);
	const times: number[] = [];
	for (let round = 0; round < (quick ? 6 : 20); round++) {
		for (const prompt of prompts) {
			const began = performance.now();
			estimator.estimate(prompt);
			// The first rounds are for the compiler.
			if (round >= 3) times.push(performance.now() - began);
		}
	}
	return { models: weights.models.length, p50: percentile(times, 50), p99: percentile(times, 99) };
}
