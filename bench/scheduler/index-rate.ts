import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PrefixIndex } from "../../src/shared/kv/prefix-index.ts";
import { Conversations } from "./conversations.ts";
import { cpuMicroseconds } from "./cpu-time.ts";
import { BLOCKS_PER_REPLICA } from "./fleet.ts";
import { MapIndex } from "./map-index.ts";

export interface IndexRate {
	readonly blocks: number;
	/** Memory, garbage aside, when it is as full as it gets. */
	readonly bytesPerEntry: number;
	/** Mean microseconds of CPU. */
	readonly match: number;
	readonly insert: number;
}

interface Index {
	readonly size: number;
	match(chain: Uint32Array, held: Int32Array): number;
	insert(replica: number, chain: Uint32Array, confirmed: boolean): unknown;
}

/** Each chain is looked up so often; between two looks at it a whole batch of others has been in the processor's caches. */
const LOOKS = 4;
const DEFAULT_BYTES = 32 * 2 ** 20;

/** The default index and maps with the same blocks in them. */
export function measureIndexes(
	replicas: number,
	effort: { readonly rounds: number; readonly batch: number },
	seed: number,
): { readonly ours: IndexRate; readonly maps: IndexRate } {
	const ours = new PrefixIndex({ slots: replicas, bytesMax: DEFAULT_BYTES });
	for (let slot = 0; slot < replicas; slot++) ours.setCapacity(slot, BLOCKS_PER_REPLICA);
	const oursRate = measure(ours, replicas, effort, seed);
	const before = heapBytes();
	const maps = new MapIndex(replicas, BLOCKS_PER_REPLICA);
	const mapsRate = measure(maps, replicas, effort, seed);
	const mapBytes = heapBytes() - before;
	return {
		// The table does not get larger than it is now, and has room for more.
		ours: { ...oursRate, bytesPerEntry: ours.bytes / ours.sizeMax },
		maps: { ...mapsRate, bytesPerEntry: mapBytes / maps.size },
	};
}

function measure(
	index: Index,
	replicas: number,
	{ rounds, batch }: { readonly rounds: number; readonly batch: number },
	seed: number,
): Omit<IndexRate, "bytesPerEntry"> {
	const conversations = new Conversations(seed);
	const held = new Int32Array(replicas);
	for (let i = 0; index.size < replicas * BLOCKS_PER_REPLICA * 0.98; i++)
		index.insert(i % replicas, conversations.next(), true);
	let matching = 0;
	let inserting = 0;
	for (let round = -rounds; round < rounds; round++) {
		const chains = Array.from({ length: batch }, () => conversations.next());
		const began = cpuMicroseconds();
		for (let again = 0; again < LOOKS; again++) for (const chain of chains) index.match(chain, held);
		const matched = cpuMicroseconds();
		chains.forEach((chain, i) => index.insert((round * batch + i + rounds * batch) % replicas, chain, true));
		if (round < 0) continue;
		matching += matched - began;
		inserting += cpuMicroseconds() - matched;
	}
	const count = rounds * batch;
	return { blocks: index.size, match: matching / count / LOOKS, insert: inserting / count };
}

function heapBytes(): number {
	setFlagsFromString("--expose-gc");
	runInNewContext("gc")();
	const { heapUsed, arrayBuffers } = process.memoryUsage();
	return heapUsed + arrayBuffers;
}
