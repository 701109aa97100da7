import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Kernel } from "./rates.ts";

/** Bytes that one element of the triad moves: two doubles read, one written (McCalpin's STREAM). */
export const TRIAD_BYTES = 24;

/** a = b + s c over arrays of so many doubles, a multiple of four. */
export function triad(name: string, length: number): Kernel {
	const a = new Float64Array(length);
	const b = new Float64Array(length).fill(1);
	const c = new Float64Array(length).fill(2);
	return { name, parameters: length, run: () => triadOnce(a, b, c, 3) };
}

/** Four elements a turn, as the kernels do it. */
function triadOnce(a: Float64Array, b: Float64Array, c: Float64Array, scalar: number): void {
	for (let i = 0; i < a.length; i += 4) {
		const a0 = b[i]! + scalar * c[i]!;
		const a1 = b[i + 1]! + scalar * c[i + 1]!;
		const a2 = b[i + 2]! + scalar * c[i + 2]!;
		const a3 = b[i + 3]! + scalar * c[i + 3]!;
		a[i] = a0;
		a[i + 1] = a1;
		a[i + 2] = a2;
		a[i + 3] = a3;
	}
}

const PROGRAM = String.raw`
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}
int main(int argc, char **argv) {
	for (int arg = 1; arg < argc; arg++) {
		long n = atol(argv[arg]), repeats = (4L << 20) / n;
		double *a = malloc(n * 8), *b = malloc(n * 8), *c = malloc(n * 8), best = 0;
		if (!a || !b || !c || repeats < 1) return 1;
		for (long i = 0; i < n; i++) a[i] = 0, b[i] = 1, c[i] = 2;
		for (int round = 0; round < 80; round++) {
			double began = seconds();
			for (long r = 0; r < repeats; r++) {
				for (long i = 0; i < n; i++) a[i] = b[i] + 3.0 * c[i];
				__asm__ volatile("" : : "g"(a) : "memory");
			}
			double rate = 1e-6 * n * repeats / (seconds() - began);
			if (rate > best) best = rate;
		}
		printf("%f\n", best);
		free(a), free(b), free(c);
	}
}
`;

/** Millions of elements a second of the triad in C, for each length; null without a C compiler. */
export async function triadInC(lengths: readonly number[]): Promise<readonly number[] | null> {
	const folder = await mkdtemp(join(tmpdir(), "isobar-triad-"));
	const run = promisify(execFile);
	try {
		const program = join(folder, "triad");
		await writeFile(`${program}.c`, PROGRAM);
		await run("cc", ["-O3", "-march=native", "-o", program, `${program}.c`]);
		const { stdout } = await run(program, lengths.map(String));
		return stdout.trim().split("\n").map(Number);
	} catch {
		return null;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}
