import { meanOf } from "../lib/statistics.ts";
import type { Metrics } from "./metrics.ts";

export type MetricName = keyof Metrics;

/** One router in one setting, by seed. */
export interface Played {
	readonly id: string;
	readonly metrics: readonly Metrics[];
}

export interface Ratio {
	/** Geometric mean over the seeds. */
	readonly value: number;
	/** Its 95 % interval from Student's t on the logarithms; null with fewer than two seeds. */
	readonly low: number | null;
	readonly high: number | null;
}

/** The 97.5th percentile of Student's t with 1, 2, ... degrees of freedom. */
const T975 = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131];

export function average({ metrics }: Played, name: MetricName): number {
	return meanOf(metrics.map((each) => each[name]));
}

/** `a` over `b` in the same seeds. */
export function ratioOf(a: Played, b: Played, name: MetricName): Ratio {
	const logs = a.metrics.map((each, seed) => Math.log(each[name] / b.metrics[seed]![name]));
	const mean = meanOf(logs);
	const value = Math.exp(mean);
	if (logs.length < 2) return { value, low: null, high: null };
	const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
	const half = T975[Math.min(logs.length - 1, T975.length) - 1]! * Math.sqrt(variance / logs.length);
	return { value, low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** Who has the best average of this metric. */
export function bestOf(played: readonly Played[], name: MetricName): Played {
	const sign = name === "goodput" || name === "withinGoal" || name === "hitRate" ? -1 : 1;
	return played.reduce((best, each) => (sign * average(each, name) < sign * average(best, name) ? each : best));
}
