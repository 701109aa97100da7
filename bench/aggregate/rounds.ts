import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";
import { encodedBytes, type Encoding } from "../../src/shared/federated/encoding.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { TestOperator, type TestClient } from "../../test/support/federated-client.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings, Row } from "../lib/result.ts";
import { Inspector } from "./inspector.ts";

const TOKEN = "bench";
/** Clients that send at once. */
const SENDERS = 4;
/** Two shards are in the isolate whose memory is taken. */
const SHARDS = 2;
/** Looks at the memory while updates are sent, and as many while they are summed. */
const LOOKS = 10;

/** A round of a fleet: so many clients, so many rows of parameters. */
interface Fleet {
	readonly clients: number;
	readonly rows: number;
	/** Of the server; the default is plain SGD, without state. */
	readonly optimiser?: "adam";
	/** Of the updates; the default is f32. */
	readonly encoding?: Encoding;
}

// 95 and 20 MB in whole rows.
const FULL: readonly Fleet[] = [
	{ clients: 10, rows: 90 },
	{ clients: 40, rows: 20 },
];
const QUICK: readonly Fleet[] = [
	{ clients: 10, rows: 8 },
	{ clients: 40, rows: 2 },
];
/** The same model with few clients and with many; and with an optimiser that keeps two arrays beside it, from updates to decode. */
const FEW: Fleet = { clients: 10, rows: 8 };
const MANY: Fleet = { clients: 40, rows: 8 };
const MEMORY: readonly Fleet[] = [FEW, MANY, { clients: 10, rows: 8, optimiser: "adam", encoding: "f16" }];
/** Flower's FedAvg in one process: notes of the project, two cores, Python. */
const FLOWER: Readonly<Record<number, { readonly seconds: number; readonly peak: number }>> = {
	10: { seconds: 0.64, peak: 1_304 },
	40: { seconds: 0.26, peak: 979 },
};

interface Round {
	/** MB of updates a second, from the first part sent to the last one staged. */
	readonly stageRate: number;
	/** From the last commit to the version. */
	readonly flushSeconds: number;
	/** Most that the isolate held at any look, after collection, over what it held before the run, for each of two shards. Null where
	 *  nobody looked. */
	readonly shardMemory: number | null;
	/** Most memory that workerd ever had, MB. */
	readonly peak: number;
	readonly pulled: number;
	readonly pushed: number;
}

/** Whole rounds over HTTP in a workerd on the local disk. */
export async function measureRounds({ quick }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const rounds = new Map<Fleet, Round>();
	for (const fleet of [...(quick ? QUICK : FULL), ...MEMORY]) {
		say(`a ${nameOf(fleet)}`);
		rounds.set(fleet, await measureRound(fleet, MEMORY.includes(fleet)));
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
	for (const [clients, { seconds, peak }] of Object.entries(FLOWER)) {
		const size = clients === "10" ? 95 : 20;
		rows.push({ what: `Flower's FedAvg, ${clients} × ${size} MB (notes)`, seconds, peak_mb: peak });
	}
	const memory = (fleet: Fleet): number => rounds.get(fleet)?.shardMemory ?? Number.NaN;
	return {
		rows,
		targets: [
			{
				id: "stage_mb_per_s",
				// Of the slowest fleet.
				value: Math.min(...(quick ? QUICK : FULL).map((fleet) => rounds.get(fleet)!.stageRate)),
				goal: 60,
				direction: "at_least",
			},
			{
				id: "shard_memory_mb",
				value: Math.max(...MEMORY.map(memory)),
				goal: 24,
				direction: "at_most",
			},
			{
				id: "memory_40_vs_10_clients",
				value: memory(MANY) / memory(FEW),
				goal: 1.1,
				direction: "at_most",
			},
		],
		notes: [],
	};
}

function nameOf({ clients, rows, optimiser, encoding }: Fleet): string {
	const size = ((rows * ROW_PARAMETERS * 4) / 1e6).toFixed(0);
	return `round of ${clients} clients × ${size} MB${encoding ? ` in ${encoding}` : ""}${optimiser ? `, ${optimiser}` : ""}`;
}

/** Looking at the memory takes time, so a round is for the one or for the other. */
async function measureRound({ clients, rows, optimiser, encoding = "f32" }: Fleet, looks: boolean): Promise<Round> {
	const persist = await mkdtemp(join(tmpdir(), "isobar-rounds-"));
	const secrets = { ADMIN_TOKEN: TOKEN };
	const isobar = await startIsobar({ persist, secrets, inspectorPort: 0, onLog: () => {} });
	try {
		const { key } = await new AdminClient(isobar.url, TOKEN).createKey({ tenant: "bench" });
		const operator = new TestOperator(isobar.url, key, fetch);
		const parameters = rows * ROW_PARAMETERS;
		const values = Float32Array.from({ length: parameters }, (_, i) => (i % 1_000) / 1_000 - 0.5);
		const specification = {
			flush: { when: "count", count: clients },
			limits: { updates_staged_max: 2 * clients },
			shard_parameters: Math.ceil(rows / SHARDS) * ROW_PARAMETERS,
			encodings: [encoding],
			server_optimiser: { name: optimiser ?? "sgd" },
		};
		const warm = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(8));
		await (await operator.join(warm)).contribute(new Float32Array(8));
		await operator.untilVersion(warm, 1);

		const memory = looks ? await Memory.of(isobar) : null;
		const run = await operator.startRun(specification, values);
		const members: TestClient[] = [];
		for (let i = 0; i < clients; i++) members.push(await operator.join(run));
		const pulled = await operator.weights(run);
		const staged: { readonly client: TestClient; readonly update: string; readonly parts: readonly string[] }[] = [];
		const queue = members.values();
		const began = performance.now();
		const send = async (): Promise<void> => {
			for (const client of queue) {
				const { update } = await client.task();
				staged.push({ client, update, parts: await client.putParts(update, values, encoding) });
				// As often whatever the number of clients.
				if (staged.length % (clients / LOOKS) === 0) await memory?.look();
			}
		};
		await Promise.all(Array.from({ length: SENDERS }, send));
		const stageSeconds = (performance.now() - began) / 1_000;
		const last = staged.pop()!;
		for (const { client, update, parts } of staged) await client.commit(update, parts, { encoding });
		const flushBegan = performance.now();
		await last.client.commit(last.update, last.parts, { encoding });
		while ((await operator.version(run)) < 1) await memory?.look();
		const flushSeconds = (performance.now() - flushBegan) / 1_000;
		await memory?.look();
		memory?.close();
		const pushed = encodedBytes(encoding, parameters) / 1e6;
		return {
			stageRate: (clients * pushed) / stageSeconds,
			flushSeconds,
			shardMemory: memory && memory.most / SHARDS,
			peak: await peakMegabytes(isobar.pid),
			pulled: pulled.byteLength / 1e6,
			pushed,
		};
	} finally {
		await isobar.stop();
		await rm(persist, { recursive: true, force: true });
	}
}

/** Looks at what the isolate holds over what it held at first. */
class Memory {
	most = 0;
	/** A most of many looks is more than one of few, so all fleets get as many. */
	#left = 2 * LOOKS;
	readonly #inspector: Inspector;
	readonly #before: number;

	private constructor(inspector: Inspector, before: number) {
		this.#inspector = inspector;
		this.#before = before;
	}

	static async of(isobar: LocalIsobar): Promise<Memory> {
		const turn = async (): Promise<void> => void (await (await fetch(`${isobar.url}/healthz`)).text());
		const inspector = await Inspector.open(await isobar.inspectorUrl(), "isobar", turn);
		const { heap, buffers } = await inspector.memory();
		return new Memory(inspector, heap + buffers);
	}

	close(): void {
		this.#inspector.close();
	}

	async look(): Promise<void> {
		if (this.#left-- <= 0) return;
		const { heap, buffers } = await this.#inspector.memory();
		this.most = Math.max(this.most, heap + buffers - this.#before);
	}
}

async function peakMegabytes(pid: number): Promise<number> {
	const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
	return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1_024;
}
