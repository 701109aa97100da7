import { runBench } from "../lib/bench.ts";
import type { Findings } from "../lib/result.ts";
import { measureKernels } from "./kernels.ts";
import { measureRounds } from "./rounds.ts";
import { measureShards } from "./shards.ts";

await runBench({
	name: "aggregate",
	title: "Aggregation of federated updates",
	columns: [
		{ key: "what", title: "what" },
		{ key: "vs_triad", title: "× triad", digits: 2 },
		{ key: "gb_per_s", title: "GB/s", digits: 1 },
		{ key: "million_per_s", title: "million a second" },
		{ key: "mb_per_s", title: "MB/s" },
		{ key: "vs", title: "× beside it", digits: 2 },
		{ key: "seconds", title: "seconds", digits: 2 },
		{ key: "peak_mb", title: "peak MB" },
		{ key: "shard_mb", title: "MB a shard", digits: 1 },
		{ key: "mb_pulled", title: "MB pulled" },
		{ key: "mb_pushed", title: "MB pushed" },
	],
	compared: [
		"Kernels: the loops that all bytes of a flush pass, over rows of 262,144 parameters of 16 updates, beside the triad of STREAM (a = b + s c in doubles) as a loop in the same process and in C (`cc -O3 -march=native`; the rows are missing where there is no `cc`). GB/s counts what a loop reads and writes once: 20 bytes a parameter for the weighted sum of f32 (a value in, the double of the sum in and out), 24 for the triad, 8 for a product of the Gram matrix. `× triad` is against the triad in the same process over arrays of a row, which the second cache holds, as it holds the sum's.",
		"Flushes: one shard object in workerd on the local disk, ten staged f32 updates, from the call to the version; beside it, the same object reads the same rows (eleven of 1 MiB for each that is made: ten updates and the version before) by the same statements and does nothing with them. What is made is written twice, into SQLite's log and from there into the file, and the disk is waited for. Four shards at once in one workerd, and two in each of two. The best of the rounds.",
		"Rounds over HTTP: clients in one process of their own sign and send all parts of an update, four at a time; the parts are encoded and hashed before. What is staged is written twice as well, and the thread that receives it waits for the disk. MB a shard: V8's heap and buffers after a collection, over what the isolate held before the run, for each of its two shards, the most of forty looks, twenty of them while parts came. Peak: of the whole workerd process. Flower: the aggregation of its FedAvg alone, of updates that are in memory, without a network and without anything written; in this run where Python has `flwr`, else from the project's notes.",
		"Kernels: the clock on the wall, over bursts of two milliseconds or more; all loops take turns, and of each the shortest burst counts.",
	],
	notModelled: [
		"workerd has the same engine as this process (V8) in another version.",
		"Reading staged bytes from storage, which takes longer than adding them.",
	],
	async run(options, say) {
		const parts: Findings[] = [];
		for (const measure of [measureKernels, measureShards, measureRounds]) parts.push(await measure(options, say));
		return {
			rows: parts.flatMap(({ rows }) => rows),
			targets: parts.flatMap(({ targets }) => targets),
			notes: parts.flatMap(({ notes }) => notes),
		};
	},
});
