import { expect, it } from "vitest";
import { PLATFORM_START, platformSeconds, StartsUnderWay } from "./cold-starts.ts";
import { seeded } from "./random.ts";

const draws = (others: number): number[] => {
	const rng = seeded(7);
	return Array.from({ length: 4_001 }, () => platformSeconds(rng, others)).toSorted((a, b) => a - b);
};
const median = (sorted: readonly number[]): number => sorted[(sorted.length - 1) / 2]!;

it("draws platform starts from the published log-normal: mean 3.24 s, standard deviation 7.10 s", () => {
	const { medianSeconds, sigma } = PLATFORM_START;
	const mean = medianSeconds * Math.exp(sigma ** 2 / 2);
	expect(mean).toBeCloseTo(3.24, 1);
	expect(mean * Math.sqrt(Math.exp(sigma ** 2) - 1)).toBeCloseTo(7.1, 1);
	expect(median(draws(0)) / medianSeconds).toBeGreaterThan(0.9);
	expect(median(draws(0)) / medianSeconds).toBeLessThan(1.1);
});

it("takes longer the more starts of the same provider are under way", () => {
	expect(median(draws(3)) / median(draws(0))).toBeCloseTo(4, 6);
	const starts = new StartsUnderWay();
	const first = starts.begin("runpod_queue");
	expect(first.others).toBe(0);
	expect(starts.begin("runpod_queue").others).toBe(1);
	expect(starts.begin("huggingface").others).toBe(0);
	first.end();
	first.end();
	expect(starts.begin("runpod_queue").others).toBe(1);
});
