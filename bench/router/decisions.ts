import { createEstimator } from "../../src/shared/router/estimator/estimator.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import type { Weights } from "../../src/shared/router/weights/weights.ts";
import { percentile } from "../lib/statistics.ts";

export interface Decisions {
	readonly models: number;
	/** Milliseconds for a prompt of 4 KB; percentiles over the prompts of the least of their repeats. */
	readonly p50: number;
	readonly p99: number;
}

const PROMPT_CHARS = 4_096;
const PROMPTS = 200;

/** Time of an estimate, warm, of prompts of 4 KB: prompts of one domain after the other until it is full. Of each prompt the
 *  least time counts, so that what else the machine does is not measured. */
export function measureDecisions(weights: Weights, judged: readonly Outcome[], quick: boolean): Decisions {
	const estimator = createEstimator(weights);
	const sorted = judged.toSorted((a, b) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0));
	const text = Buffer.from(sorted.map(({ prompt }) => prompt).join("\n"));
	const step = Math.max(1, Math.floor((text.length - PROMPT_CHARS) / PROMPTS));
	const prompts = Array.from({ length: PROMPTS }, (_, i) =>
		text.subarray(i * step, i * step + PROMPT_CHARS).toString("latin1"),
	);
	const times = prompts.map(() => Number.POSITIVE_INFINITY);
	for (let round = 0; round < (quick ? 6 : 20); round++) {
		prompts.forEach((prompt, i) => {
			const began = performance.now();
			estimator.estimate(prompt);
			times[i] = Math.min(times[i]!, performance.now() - began);
		});
	}
	return { models: weights.models.length, p50: percentile(times, 50), p99: percentile(times, 99) };
}
