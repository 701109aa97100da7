import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar } from "../../scripts/local.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings, Row } from "../lib/result.ts";
import { Workers } from "../lib/workers.ts";
import type { Fleet, FleetJob, Round } from "./fleet.ts";
import { FLOWER_ABSENT, measureFlower } from "./flower.ts";

const TOKEN = "bench";
const PLAYER = join(import.meta.dirname, "fleet-process.ts");

// 95 and 20 MB in whole rows.
const FULL: readonly Fleet[] = [
	{ clients: 10, rows: 90 },
	{ clients: 40, rows: 20 },
];
const QUICK: readonly Fleet[] = [
	{ clients: 10, rows: 12 },
	{ clients: 40, rows: 4 },
];
/** The same model with few clients and with many; and with an optimiser that keeps two arrays beside it, from updates to decode. */
function memoryFleets(rows: number): readonly [few: Fleet, many: Fleet, decoded: Fleet] {
	return [
		{ clients: 10, rows },
		{ clients: 40, rows },
		{ clients: 10, rows, optimiser: "adam", encoding: "f16" },
	];
}
/** Flower's FedAvg in one process: notes of the project, two cores, Python; 95 and 20 MB. */
const FLOWER_NOTED: Readonly<Record<number, { readonly seconds: number; readonly peak: number }>> = {
	10: { seconds: 0.64, peak: 1_304 },
	40: { seconds: 0.26, peak: 979 },
};

interface Measured extends Round {
	/** Most memory that workerd ever had, MB. */
	readonly peak: number;
}

/** Whole rounds over HTTP in a workerd on the local disk. */
export async function measureRounds({ quick }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const rounds = new Map<Fleet, Measured>();
	const timed = quick ? QUICK : FULL;
	const looked = memoryFleets(quick ? 4 : 8);
	for (const fleet of [...timed, ...looked]) {
		say(`a ${nameOf(fleet)}`);
		rounds.set(fleet, await measureRound(fleet, looked.includes(fleet)));
	}
	const rows = [...rounds].flatMap(([fleet, round]): Row[] => {
		const what = nameOf(fleet);
		const { stageRate, flushSeconds, shardMemory, peak, pulled, pushed } = round;
		return [
			{
				what: `${what}: staged through HTTP`,
				mb_per_s: shardMemory === null ? stageRate : null,
				mb_pulled: pulled,
				mb_pushed: pushed,
				shard_mb: shardMemory,
			},
			{ what: `${what}: flush`, seconds: flushSeconds, peak_mb: peak },
		];
	});
	const flower = await flowerRows(timed, say);
	rows.push(...flower.rows);
	const memory = (fleet: Fleet): number => rounds.get(fleet)?.shardMemory ?? Number.NaN;
	return {
		rows,
		targets: [
			{
				id: "stage_mb_per_s",
				// Of the slowest fleet.
				value: Math.min(...timed.map((fleet) => rounds.get(fleet)!.stageRate)),
				goal: 60,
				direction: "at_least",
			},
			{
				id: "shard_memory_mb",
				value: Math.max(...looked.map(memory)),
				goal: 24,
				direction: "at_most",
			},
			{
				id: "memory_40_vs_10_clients",
				value: memory(looked[1]) / memory(looked[0]),
				goal: 1.1,
				direction: "at_most",
			},
		],
		notes: flower.notes,
	};
}

/** The same rounds in Flower, or what the notes say of them. */
async function flowerRows(fleets: readonly Fleet[], say: (text: string) => void): Promise<Omit<Findings, "targets">> {
	const rows: Row[] = [];
	say("Flower");
	for (const fleet of fleets) {
		const found = await measureFlower(fleet);
		if (!found) continue;
		const what = `Flower ${found.version}, FedAvg alone, ${nameOf(fleet)}`;
		rows.push({ what, seconds: found.seconds, peak_mb: found.peak });
	}
	if (rows.length > 0) return { rows, notes: [] };
	for (const [clients, { seconds, peak }] of Object.entries(FLOWER_NOTED)) {
		const size = clients === "10" ? 95 : 20;
		rows.push({ what: `Flower's FedAvg, ${clients} × ${size} MB (notes)`, seconds, peak_mb: peak });
	}
	return { rows, notes: [FLOWER_ABSENT] };
}

function nameOf({ clients, rows, optimiser, encoding }: Fleet): string {
	const size = ((rows * ROW_PARAMETERS * 4) / 1e6).toFixed(0);
	return `round of ${clients} clients × ${size} MB${encoding ? ` in ${encoding}` : ""}${optimiser ? `, ${optimiser}` : ""}`;
}

/** Looking at the memory takes time, so a round is for the one or for the other. The clients are in a process of their own: this one
 *  has loaded so much that collecting its garbage would take longer than what is measured. */
async function measureRound(fleet: Fleet, looks: boolean): Promise<Measured> {
	const persist = await mkdtemp(join(tmpdir(), "isobar-rounds-"));
	const secrets = { ADMIN_TOKEN: TOKEN };
	const isobar = await startIsobar({ persist, secrets, inspectorPort: 0, onLog: () => {} });
	const player = new Workers<FleetJob, Round>(PLAYER, [], 1);
	try {
		const { key } = await new AdminClient(isobar.url, TOKEN).createKey({ tenant: "bench" });
		const inspectorUrl = looks ? (await isobar.inspectorUrl()).href : null;
		const [round] = await player.run([{ fleet, url: isobar.url, key, inspectorUrl }]);
		return { ...round!, peak: await peakMegabytes(isobar.pid) };
	} finally {
		player.stop();
		await isobar.stop();
		await rm(persist, { recursive: true, force: true });
	}
}

async function peakMegabytes(pid: number): Promise<number> {
	const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
	return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1_024;
}
