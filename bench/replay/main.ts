import { resolve } from "node:path";
import { PROJECT, runBench } from "../lib/bench.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings } from "../lib/result.ts";
import { COMPARED, NOT_MODELLED } from "./description.ts";
import { FULL, playAll, QUICK } from "./plan.ts";
import { writePlots } from "./plot.ts";
import { COLUMNS, rowsOf, targetsOf } from "./rows.ts";
import { Workers } from "./workers.ts";

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
	const workers = new Workers(resolve(data ?? resolve(PROJECT, "../shared/data")));
	try {
		const found = await playAll(workers, quick ? QUICK : FULL, seed, say);
		if (plot !== null) await writePlots(resolve(plot), found);
		return { rows: rowsOf(found), targets: targetsOf(found), notes: [] };
	} finally {
		workers.stop();
	}
}
