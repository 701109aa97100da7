import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PROJECT, runBench } from "../lib/bench.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings, Row, Target } from "../lib/result.ts";
import { Workers } from "../lib/workers.ts";
import { cascadeRows } from "./cascade-rows.ts";
import { pathOf, type Source } from "./data.ts";
import { COMPARED, NOT_MODELLED } from "./description.ts";
import type { Job, PoolFindings } from "./job.ts";
import { POOLS } from "./pools.ts";
import { rankingRows } from "./ranking-rows.ts";
import { COLUMNS, notesOf, rowsOf, targetsOf } from "./rows.ts";

/** Draws of labels for pools that learn from a part. */
const DRAWS = { full: 3, quick: 1 } as const;
const SHIPPED = join(PROJECT, "assets", "router", "default.bin");

/** What other files of this benchmark find: rows, targets and notes of their own, from the same data. */
type Extra = (source: Source, say: (text: string) => void) => Promise<Findings>;

/** In the order of the table. */
const EXTRAS: readonly Extra[] = [cascadeRows, rankingRows];

await runBench({
	name: "router",
	title: "Prompt router",
	columns: COLUMNS,
	uses: ["dev", "eval"],
	compared: COMPARED,
	notModelled: NOT_MODELLED,
	run,
});

async function run({ quick, seed, dev, eval: judged }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const directory = resolve(dev ?? resolve(PROJECT, "../shared/data/routing"));
	const source: Source = { dev: directory, eval: judged === null ? null : resolve(judged), quick, seed };
	for (const { file } of POOLS) {
		for (const place of source.eval === null ? [source.dev] : [source.dev, source.eval]) {
			if (!existsSync(pathOf(place, file))) throw new Error(`${pathOf(place, file)} does not exist.`);
		}
	}
	const jobs = POOLS.flatMap(({ id, labels }): Job[] => {
		const draws = labels === null ? 1 : DRAWS[quick ? "quick" : "full"];
		return Array.from({ length: draws }, (_, draw) => ({ ...source, pool: id, draw }));
	});
	const workers = new Workers<Job, PoolFindings>(join(import.meta.dirname, "job-process.ts"), []);
	try {
		const found = await workers.run(jobs, (done) => say(`${done} of ${jobs.length} pools`));
		const rows: Row[] = rowsOf(found);
		const targets: Target[] = targetsOf(found, existsSync(SHIPPED) ? (await stat(SHIPPED)).size : null);
		const notes = [...notesOf(found, judged === null)];
		for (const extra of EXTRAS) {
			const more = await extra(source, say);
			rows.push(...more.rows);
			targets.push(...more.targets);
			notes.push(...more.notes);
		}
		return { rows, targets, notes };
	} finally {
		workers.stop();
	}
}
