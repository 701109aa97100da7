import { join, resolve } from "node:path";
import { PROJECT, runBench } from "../lib/bench.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings } from "../lib/result.ts";
import { Workers } from "../lib/workers.ts";
import { COMPARED, NOT_MODELLED } from "./description.ts";
import { FULL, playAll, QUICK } from "./plan.ts";
import { writePlots } from "./plot.ts";
import { COLUMNS, rowsOf, targetsOf } from "./rows.ts";
import type { Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";

await runBench({
	name: "replay",
	title: "Routing on real traces",
	columns: COLUMNS,
	uses: ["plot", "data"],
	compared: COMPARED,
	notModelled: NOT_MODELLED,
	run,
});

async function run({ quick, seed, data, plot }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const path = join(import.meta.dirname, "job-process.ts");
	const workers = new Workers<Job, Metrics[]>(path, [resolve(data ?? resolve(PROJECT, "../shared/data"))]);
	try {
		const found = await playAll(workers, quick ? QUICK : FULL, seed, say);
		if (plot !== null) await writePlots(resolve(plot), found);
		return { rows: rowsOf(found), targets: targetsOf(found), notes: [] };
	} finally {
		workers.stop();
	}
}
