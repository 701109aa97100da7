import type { Seconds } from "../units.ts";

/** What tells one life of an engine from the next: when its process began, and counters that only grow while it lives. Plain
 *  JSON. */
export interface EngineMark {
	/** Unix seconds; null where it does not say. */
	readonly startedAt: Seconds | null;
	/** By metric, summed over labels. */
	readonly counters: Readonly<Record<string, number>>;
}

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{[^\n]*\})?[ \t]+([^ \t\n]+)/gm;
const START = "process_start_time_seconds";
/** Counters of vLLM, SGLang and llama.cpp: in each the engine's name, a colon, and `_total` at the end. */
const COUNTER = /^[a-z]+:\w+_total$/;
/** Any that goes back will do. Those of tokens move with every request. */
const COUNTERS_MAX = 8;
const TOKENS = /tokens/;
/** A start time is a float that is printed with few digits. */
const START_TOLERANCE: Seconds = 1;

/** Reads the text of an engine's Prometheus metrics; null where it holds neither a start time nor a counter. */
export function readEngineMark(metrics: string): EngineMark | null {
	let startedAt: Seconds | null = null;
	const sums = new Map<string, number>();
	for (const [, name = "", text] of metrics.matchAll(SAMPLE)) {
		const value = Number(text);
		if (!Number.isFinite(value)) continue;
		if (name === START) startedAt = value;
		else if (COUNTER.test(name)) sums.set(name, (sums.get(name) ?? 0) + value);
	}
	if (startedAt === null && sums.size === 0) return null;
	const [tokens, others] = [true, false].map((of) => [...sums].filter(([name]) => TOKENS.test(name) === of));
	return { startedAt, counters: Object.fromEntries([...tokens!, ...others!].slice(0, COUNTERS_MAX)) };
}

/** Whether the engine began anew between two readings: another start time, or a counter that went back. */
export function hasRestarted(before: EngineMark, after: EngineMark): boolean {
	if (before.startedAt !== null && after.startedAt !== null)
		return Math.abs(after.startedAt - before.startedAt) > START_TOLERANCE;
	return Object.entries(before.counters).some(([name, value]) => (after.counters[name] ?? value) < value);
}
