/** Something that is measured: `run` does it once, over so many parameters. */
export interface Kernel {
	readonly name: string;
	readonly parameters: number;
	readonly run: () => void;
}

/** A burst of repeats lasts this long at least: far above a step of the clock, and short enough that many fit between two
 *  turns that the system gives to others. */
const BURST_MS = 2;

/** Millions of parameters a second, by name. All take turns, so that what else the machine does meets all alike, and of each the
 *  shortest burst counts, which is the one that was disturbed least. The clock on the wall, in milliseconds, stands for the CPU's:
 *  some systems tell a thread's time in steps longer than what is measured. */
export function measureRates(
	kernels: readonly Kernel[],
	rounds: number,
	now: () => number = () => performance.now(),
): Map<string, number> {
	const repeats = kernels.map(() => 1);
	const best = new Map<string, number>();
	for (let round = 0; round < rounds; round++) {
		for (const [index, { name, parameters, run }] of kernels.entries()) {
			// One that was too short to be told says nothing but that more repeats are needed.
			for (; ; repeats[index]! *= 2) {
				const count = repeats[index]!;
				const milliseconds = timeOf(run, count, now);
				if (milliseconds < BURST_MS) continue;
				const rate = (parameters * count) / (1_000 * milliseconds);
				best.set(name, Math.max(rate, best.get(name) ?? 0));
				break;
			}
		}
	}
	return best;
}

function timeOf(run: () => void, count: number, now: () => number): number {
	const began = now();
	for (let i = 0; i < count; i++) run();
	return now() - began;
}
