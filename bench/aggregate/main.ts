import { runBench } from "../lib/bench.ts";
import type { Findings } from "../lib/result.ts";
import { measureKernels } from "./kernels.ts";

await runBench({
	name: "aggregate",
	title: "Aggregation of federated updates",
	columns: [
		{ key: "what", title: "what" },
		{ key: "vs_triad", title: "× triad", digits: 2 },
		{ key: "gb_per_s", title: "GB/s", digits: 1 },
		{ key: "million_per_s", title: "million a second" },
	],
	compared: [
		"Kernels: the loops that all bytes of a flush pass, over rows of 262,144 parameters of 16 updates, beside the triad of STREAM (a = b + s c in doubles) as a loop in the same process and in C (`cc -O3 -march=native`; the rows are missing where there is no `cc`). GB/s counts what a loop reads and writes once: 20 bytes a parameter for the weighted sum of f32 (a value in, the double of the sum in and out), 24 for the triad, 8 for a product of the Gram matrix. `× triad` is against the triad in the same process over arrays of a row, which the second cache holds, as it holds the sum's.",
		"CPU time of the one thread; all loops take turns, and the best of the rounds counts.",
	],
	notModelled: [
		"workerd has the same engine as this process (V8) in another version.",
		"Reading staged bytes from storage, which takes longer than adding them.",
	],
	async run(options, say) {
		const parts: readonly Findings[] = [await measureKernels(options, say)];
		return {
			rows: parts.flatMap(({ rows }) => rows),
			targets: parts.flatMap(({ targets }) => targets),
			notes: parts.flatMap(({ notes }) => notes),
		};
	},
});
