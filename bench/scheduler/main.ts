import { runBench } from "../lib/bench.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings, Row, Target } from "../lib/result.ts";
import { measureCore, type CoreRate } from "./core-rate.ts";
import { BLOCKS_PER_PROMPT, BLOCKS_PER_REPLICA } from "./fleet.ts";
import { measureHash } from "./hash-rate.ts";
import { measureIndexes } from "./index-rate.ts";
import { measureRpc, type RpcRate } from "./rpc-rate.ts";

const FLEETS = [8, 16, 32, 64, 128] as const;
/** The fleet of the targets: 64 replicas with 15,625 blocks each are a million. */
const FLEET = 64;
const CALLERS = [1, 16, 64] as const;
/** Of these, the one that the targets are about. */
const CALLERS_TARGET = 16;

const FULL = { rounds: 40, batch: 1_000, rpc: { rounds: 15, batch: 2_000, fill: 25 } };
const QUICK = { rounds: 8, batch: 500, rpc: { rounds: 4, batch: 1_000, fill: 6 } };

await runBench({
	name: "scheduler",
	title: "Scheduler core and prefix index",
	columns: [
		{ key: "what", title: "what" },
		{ key: "vs", title: "× maps", digits: 1 },
		{ key: "replicas", title: "replicas" },
		{ key: "blocks", title: "blocks" },
		{ key: "microseconds", title: "µs", digits: 1 },
		{ key: "per_second", title: "per second" },
		{ key: "p99_ms", title: "p99 ms", digits: 1 },
		{ key: "bytes_per_entry", title: "bytes an entry", digits: 1 },
	],
	compared: [
		`Assignments in the pure core: prompts of ${BLOCKS_PER_PROMPT} blocks to a fleet of four GPU types whose caches are full (${BLOCKS_PER_REPLICA.toLocaleString("en-US")} blocks a replica), so that each assignment looks the chain up for all replicas, scores all of them, inserts what is new and evicts as much. Half of the prompts begin like an earlier one, the others with one of 200 system prompts; eight requests are in flight on each replica and more.`,
		"The index alone, against maps: for every replica a JavaScript Map of block hashes in the order of their use, looked up chain by chain, as gateways keep it that have no engine events. Both hold the same blocks.",
		"Hashing: a chat body of 200 KB in 62 messages of escaped code, as JavaScript's SDK writes it and with Python's spaces.",
		"Figures of these rows are CPU time of the one thread that does the work, means of rounds after as many unmeasured ones; `per second` is what one core does.",
		"Through the object: `assign` of the Scheduler object, the bundle as deployed in workerd, called by another Worker of the same process with so many calls at once; each carries the end of an earlier request, as an isolate's calls do. Elapsed time; workerd's clock counts whole milliseconds.",
	],
	notModelled: [
		"The network between an isolate and the object, and machines of their own: caller and object share one thread of one process here.",
		"Prompts that share more or less than these, and fleets with some replicas much larger than others.",
	],
	run,
});

async function run({ quick, seed }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	const effort = quick ? QUICK : FULL;
	say("hashing");
	const hash = measureHash(effort.rounds);
	say("the index and maps");
	const { ours, maps } = measureIndexes(FLEET, effort, seed);
	const cores: CoreRate[] = [];
	for (const replicas of FLEETS) {
		say(`assignments to ${replicas} replicas`);
		cores.push(measureCore(replicas, effort, seed));
	}
	say("calls of the object");
	const rpc = await measureRpc(FLEET, CALLERS, effort.rpc, seed);

	const rows: Row[] = [
		...cores.flatMap(({ replicas, blocks, assign, end }) => [
			row("assignment", assign, { replicas, blocks }),
			row("end of a request", end, { replicas, blocks }),
		]),
		row("look-up, our index", ours.match, {
			replicas: FLEET,
			blocks: ours.blocks,
			vs: maps.match / ours.match,
			bytes_per_entry: ours.bytesPerEntry,
		}),
		row("look-up, maps", maps.match, {
			replicas: FLEET,
			blocks: maps.blocks,
			vs: 1,
			bytes_per_entry: maps.bytesPerEntry,
		}),
		row("insertion, our index", ours.insert, { replicas: FLEET, blocks: ours.blocks, vs: maps.insert / ours.insert }),
		row("insertion, maps", maps.insert, { replicas: FLEET, blocks: maps.blocks, vs: 1 }),
		row("hash of 200 KB, compact", hash.compact * 1_000, {}),
		row("hash of 200 KB, with spaces", hash.spaced * 1_000, {}),
		...rpc.map(({ concurrency, perSecond, p99 }) =>
			row(`assignment through the object, ${concurrency} at once`, null, {
				replicas: FLEET,
				per_second: perSecond,
				p99_ms: p99,
			}),
		),
	];
	return { rows, targets: targetsOf(cores, ours.bytesPerEntry, ours.match, hash, rpc), notes: [] };
}

function row(what: string, microseconds: number | null, more: Row): Row {
	const perSecond = microseconds === null ? null : 1e6 / microseconds;
	return { what, microseconds, per_second: perSecond, ...more };
}

function targetsOf(
	cores: readonly CoreRate[],
	bytesPerEntry: number,
	lookup: number,
	hash: { readonly compact: number; readonly spaced: number },
	rpc: readonly RpcRate[],
): Target[] {
	const cost = (replicas: number): number => cores.find((core) => core.replicas === replicas)!.assign;
	const [least, most] = [FLEETS[0], FLEETS.at(-1)!];
	const object = rpc.find(({ concurrency }) => concurrency === CALLERS_TARGET);
	return [
		{ id: "assignments_per_s", value: 1e6 / cost(FLEET), goal: 20_000, direction: "at_least" },
		{ id: "bytes_per_entry", value: bytesPerEntry, goal: 25, direction: "at_most" },
		// 1: twice the replicas, twice the cost.
		{
			id: "cost_per_replica_growth",
			value: cost(most) / most / (cost(least) / least),
			goal: 1,
			direction: "at_most",
		},
		{ id: "lookup_us", value: lookup, goal: 25, direction: "at_most" },
		{ id: "hash_200kb_ms", value: Math.max(hash.compact, hash.spaced), goal: 2, direction: "at_most" },
		// The platform's own soft limit is 1,000 requests a second and object; a tenth of the scheduler's deadline.
		{ id: "rpc_assignments_per_s", value: object?.perSecond ?? null, goal: 1_000, direction: "at_least" },
		{ id: "rpc_assign_p99_ms", value: object?.p99 ?? null, goal: 25, direction: "at_most" },
	];
}
