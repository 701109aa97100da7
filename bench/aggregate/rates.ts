import { cpuMicroseconds } from "../scheduler/cpu-time.ts";

/** Something that is measured: `run` does it once, over so many parameters. */
export interface Kernel {
	readonly name: string;
	readonly parameters: number;
	readonly run: () => void;
}

/** CPU time is told in steps of some milliseconds. */
const BURST_MICROSECONDS = 60_000;

/** Millions of parameters a second of CPU time, by name. All take turns, so that what else the machine does meets all alike; of
 *  each the best round counts, which is the one that was disturbed least. */
export function measureRates(kernels: readonly Kernel[], rounds: number): Map<string, number> {
	const repeats = kernels.map(({ run }) => {
		// Compiled by then, and long enough to be told from one step of the clock.
		for (let count = 1; ; count *= 2) {
			const began = cpuMicroseconds();
			for (let i = 0; i < count; i++) run();
			if (cpuMicroseconds() - began > BURST_MICROSECONDS / 2) return count;
		}
	});
	const best = new Map<string, number>();
	for (let round = 0; round < rounds; round++) {
		for (const [index, { name, parameters, run }] of kernels.entries()) {
			const count = repeats[index]!;
			const began = cpuMicroseconds();
			for (let i = 0; i < count; i++) run();
			const rate = (parameters * count) / (cpuMicroseconds() - began);
			best.set(name, Math.max(rate, best.get(name) ?? 0));
		}
	}
	return best;
}
