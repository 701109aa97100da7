import { isNumbers } from "../perf/stored.ts";
import type { Seconds } from "../units.ts";
import type { LogNormal } from "./log-normal.ts";

/** What is believed of the seconds from the request that starts a pool until it can serve: a normal belief about the mean of
 *  their logarithm, and the variance of one start's logarithm about it. Without other pools of the provider waking. */
export interface ColdTime {
	readonly mean: number;
	readonly variance: number;
	readonly noise: number;
	/** Starts that it rests on, up to `MEMORY`. */
	readonly count: number;
}

/** What a start has to do: load a process and its weights, or wake an engine that sleeps at level 1 (weights in the host's
 *  memory) or 2 (weights dropped). */
export type StartKind = "cold" | "sleep_1" | "sleep_2";

/** Seconds for a model of one gigabyte of weights, and the exponent by which they grow with its gigabytes: lines through
 *  ln(seconds) against ln(gigabytes) of the rows of the A100 in `gpu_cold_start_points.csv`, trust `measured-published` (vLLM
 *  0.11.0 as a bare process, vLLM's sleep-mode post of 2025-10-26):
 *  cold_load 37.96 s (Qwen3-0.6B, 1.2 GB), 58.12 s (Phi-3-vision, 8.4 GB), 47.42 s (Qwen3-Coder-30B-A3B, 61 GB), 97.67 s
 *  (Qwen3-235B-A22B-FP8 TP4, 235 GB); wake_L1 2.867 s (30B), 5.407 s (235B); wake_L2 0.847 s (0.6B), 2.583 s (Phi-3).
 *  The rows of the A4000 are left out, so that a simulator can draw from rows which this prior has not seen. */
const MEASURED: Readonly<Record<StartKind, readonly [seconds: number, exponent: number]>> = {
	cold: [37.2, 0.14],
	sleep_1: [0.415, 0.47],
	sleep_2: [0.763, 0.573],
};
/** A model whose size the catalog does not say. */
const GIGABYTES_DEFAULT = 16;
/** Standard deviations of ln(true / prior). The measured rows scatter by 0.29 about the line, and are of bare processes: a
 *  provider adds its queue, a container and a download, or takes some away with snapshots. */
const SPREAD_MEASURED = 0.7;
const SPREAD_STATED = 0.35;
/** Of one start about its pool's mean, before any was seen. */
const NOISE = 0.35;
const NOISE_MIN = 0.05;
const NOISE_MAX = 1.5;
/** How much the mean may have moved between two starts, as a variance of its logarithm. */
const MOVE = 0.01;
/** Observations that the noise remembers, and what its prior weighs. */
const MEMORY = 40;
const NOISE_PRIOR_COUNT = 4;
/** A residual beyond this many standard deviations counts as if it were at it. */
const CLIP = 2.5;
const SECONDS_MIN: Seconds = 0.01;
const SECONDS_MAX: Seconds = 3_600;
/** Starts take longer when a provider has several at once (Huawei's 2025 trace: rank correlation 0.7). The data say no
 *  exponent; this one makes a start 1.4 times as long beside two others. */
const CROWDING = 0.3;

/** Before any start was seen. `gigabytes`: of the model's weights, if known; `stated`: the operator's own figure. */
export function coldTimePrior(kind: StartKind, gigabytes: number | undefined, stated?: Seconds): ColdTime {
	const [seconds, exponent] = MEASURED[kind];
	const measured = seconds * (gigabytes ?? GIGABYTES_DEFAULT) ** exponent;
	return {
		mean: Math.log(clamp(stated ?? measured, SECONDS_MIN, SECONDS_MAX)),
		variance: (stated === undefined ? SPREAD_MEASURED : SPREAD_STATED) ** 2,
		noise: NOISE ** 2,
		count: 0,
	};
}

/** After a start that took `seconds` while `others` further pools of the provider were waking. Ignored unless that is finite
 *  and positive. */
export function observeColdTime(known: ColdTime, seconds: Seconds, others: number): ColdTime {
	if (!(seconds > 0 && seconds < Infinity)) return known;
	const alone = clamp(seconds / crowding(others), SECONDS_MIN, SECONDS_MAX);
	const variance = known.variance + (known.count > 0 ? MOVE : 0);
	const total = variance + known.noise;
	const limit = CLIP * Math.sqrt(total);
	const residual = clamp(Math.log(alone) - known.mean, -limit, limit);
	const gain = variance / total;
	// Of the squared residual the part that is not explained by the mean's own uncertainty.
	const square = residual * residual * (known.noise / total);
	const noise = known.noise + (square - known.noise) / (known.count + 1 + NOISE_PRIOR_COUNT);
	return {
		mean: known.mean + gain * residual,
		variance: variance * (1 - gain),
		noise: clamp(noise, NOISE_MIN ** 2, NOISE_MAX ** 2),
		count: Math.min(MEMORY, known.count + 1),
	};
}

/** The law of the next start's seconds while `others` further pools of the provider are waking. */
export function coldLaw({ mean, variance, noise }: ColdTime, others: number): LogNormal {
	return { mu: mean + Math.log(crowding(others)), sigma: Math.sqrt(variance + noise) };
}

/** For JSON. */
export function storedColdTime({ mean, variance, noise, count }: ColdTime): readonly number[] {
	return [mean, variance, noise, count];
}

/** `prior` where `stored` is absent or malformed. */
export function restoredColdTime(prior: ColdTime, stored: readonly number[] | undefined): ColdTime {
	if (!isNumbers(stored, 4)) return prior;
	const [mean, variance, noise, count] = stored;
	return {
		mean: clamp(mean!, Math.log(SECONDS_MIN), Math.log(SECONDS_MAX)),
		variance: clamp(variance!, 1e-6, SPREAD_MEASURED ** 2),
		noise: clamp(noise!, NOISE_MIN ** 2, NOISE_MAX ** 2),
		count: clamp(count!, 0, MEMORY),
	};
}

function crowding(others: number): number {
	return (1 + Math.max(0, others)) ** CROWDING;
}

function clamp(value: number, low: number, high: number): number {
	return Math.min(high, Math.max(low, value));
}
