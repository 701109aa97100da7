import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleWorker } from "../../scripts/bundle.ts";
import { readModules } from "../../scripts/local.ts";
import { runWorkers, type Workerd } from "../../scripts/workerd.ts";
import { ROW_BYTES } from "../../src/shared/federated/sizes.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings } from "../lib/result.ts";

const DRIVER = "shard-driver.mjs";
const UPDATES = 10;
const SHARDS = 4;

const FULL = { rows: 24, sharedRows: 8, rounds: 7 };
const QUICK = { rows: 8, sharedRows: 4, rounds: 4 };

/** Shards in workerd on the local disk: how fast ten staged updates become a version, beside reading the same rows and doing nothing
 *  with them; and four shards in one process beside the same four in two. */
export async function measureShards(options: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const { rows, sharedRows, rounds } = options.quick ? QUICK : FULL;
	say("shards: one process");
	const one = await startShards();
	try {
		const updates = Array.from({ length: UPDATES }, (_, i) => `u${i}`);
		await one.call({ action: "fill", shards: [9], rows, updates });
		const [flushes, reads]: [number[], number[]] = [[], []];
		for (let version = 1; version <= rounds; version++) {
			flushes.push(await one.call({ action: "make", shards: [9], version, updates }));
			await one.call({ action: "forget", shards: [9], version });
			reads.push(await one.call({ action: "read", shards: [9], rows, updates }));
		}
		const megabytes = (rows * UPDATES * ROW_BYTES) / 1e6;
		// The best of the rounds, as for the kernels: what else the machine does only adds to a time.
		const [flush, read] = [megabytes / Math.min(...flushes), megabytes / Math.min(...reads)];

		say("shards: two processes");
		const two = await startShards();
		try {
			const shards = Array.from({ length: SHARDS }, (_, i) => i);
			const [first, second] = [shards.slice(0, SHARDS / 2), shards.slice(SHARDS / 2)];
			await one.call({ action: "fill", shards, rows: sharedRows, updates });
			await two.call({ action: "fill", shards: second, rows: sharedRows, updates });
			const [alone, together]: [number[], number[]] = [[], []];
			for (let version = 1; version <= rounds; version++) {
				alone.push(await one.call({ action: "make", shards, version: 2 * version, updates }));
				const began = performance.now();
				await Promise.all([
					one.call({ action: "make", shards: first, version: 2 * version + 1, updates }),
					two.call({ action: "make", shards: second, version: 2 * version + 1, updates }),
				]);
				together.push((performance.now() - began) / 1_000);
				await one.call({ action: "forget", shards, version: 2 * version + 1 });
				await two.call({ action: "forget", shards: second, version: 2 * version + 1 });
			}
			const speedup = Math.min(...alone) / Math.min(...together);
			const shared = (SHARDS * sharedRows * UPDATES * ROW_BYTES) / 1e6;
			return {
				rows: [
					{ what: `flush of ${UPDATES} staged updates of ${rows} rows, one shard`, mb_per_s: flush, vs: flush / read },
					{ what: "reading the same rows in the same object and nothing else", mb_per_s: read, vs: 1 },
					{ what: `${SHARDS} shards in one process`, mb_per_s: shared / Math.min(...alone), vs: 1 },
					{ what: `${SHARDS} shards in two processes`, mb_per_s: shared / Math.min(...together), vs: speedup },
				],
				targets: [
					{ id: "flush_mb_per_s", value: flush, goal: 300, direction: "at_least" },
					{ id: "flush_vs_raw_read", value: flush / read, goal: 0.6, direction: "at_least" },
					{ id: "two_processes_speedup", value: speedup, goal: 1.5, direction: "at_least" },
				],
				notes: [],
			};
		} finally {
			await two.stop();
		}
	} finally {
		await one.stop();
	}
}

/** Classes that the driver exports as they are. */
const EXPORTED: ReadonlySet<string> = new Set(["Ledger", "Run", "Scheduler"]);

interface Shards {
	/** Seconds that it took. */
	readonly call: (run: object) => Promise<number>;
	readonly stop: () => Promise<void>;
}

/** Isobar's objects in a workerd of their own, in a Worker that calls them. */
async function startShards(): Promise<Shards> {
	const bundle = await bundleWorker();
	const directory = await mkdtemp(join(tmpdir(), "isobar-shards-"));
	const driver = await readFile(join(import.meta.dirname, DRIVER), "utf8");
	const modules = await readModules(bundle);
	const workerd: Workerd = await runWorkers({
		persist: directory,
		workers: [
			{
				name: bundle.name,
				compatibilityDate: bundle.compatibilityDate,
				compatibilityFlags: [...bundle.compatibilityFlags],
				modules: [{ type: "ESModule", path: DRIVER, contents: driver }, ...modules],
				bindings: { ...bundle.vars, ADMIN_TOKEN: "bench" },
				d1Databases: { ...bundle.d1Databases },
				durableObjects: {
					...Object.fromEntries(
						Object.entries(bundle.durableObjects).filter(([, { className }]) => EXPORTED.has(className)),
					),
					SHARD: { className: "MeasuredShard", useSQLite: true },
				},
			},
		],
	});
	return {
		async call(run) {
			const began = performance.now();
			const response = await fetch(workerd.urls[0]!, { method: "POST", headers: { "x-run": JSON.stringify(run) } });
			const text = await response.text();
			if (!response.ok) throw new Error(`The driver answered ${response.status}: ${text}`);
			return (performance.now() - began) / 1_000;
		},
		async stop() {
			await workerd.stop();
			await rm(directory, { recursive: true, force: true });
		},
	};
}
