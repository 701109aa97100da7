import { buildSnapshot, type CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { EngineSpec } from "./engine/spec.ts";
import { INPUT_TOKENS_MAX } from "./trace.ts";

/** One kind of replica: how it really is, and what a catalog says of it. */
export interface ReplicaKind {
	readonly engine: EngineSpec;
	/** The GPU's name in the catalog, from which ours takes its prior. */
	readonly gpu: string;
	readonly usdPerHour: number;
}

export interface Fleet {
	readonly id: "equal" | "mixed";
	readonly title: string;
	readonly replicas: readonly ReplicaKind[];
}

const COMMON = { runningMax: 256, overheadSeconds: 0.01 };

/** Prefill rates and cache sizes are those of the earlier replay of these traces. They fit a model of 19.2 billion parameters at
 *  12 bits with 28 kB of KV cache a token, 90 % of the GPU's memory for both; steps take the time in which the weights, and the
 *  contexts, are read at 70 % of the GPU's bandwidth. */
const H100: ReplicaKind = {
	gpu: "H100",
	usdPerHour: 2.5,
	engine: {
		...COMMON,
		prefillTokensPerSecond: 12_000,
		stepSeconds: 0.0143,
		stepSecondsPerSequence: 2e-4,
		stepSecondsPerContextToken: 12e-9,
		stepTokens: 2_048,
		kvBlocks: 3_000,
	},
};
const H100_PCIE: ReplicaKind = {
	gpu: "H100-PCIe",
	usdPerHour: 2.2,
	engine: {
		...H100.engine,
		prefillTokensPerSecond: 7_000,
		stepSeconds: 0.0226,
		stepSecondsPerContextToken: 20e-9,
	},
};
const A40: ReplicaKind = {
	gpu: "A40",
	usdPerHour: 0.4,
	engine: {
		...COMMON,
		prefillTokensPerSecond: 2_000,
		stepSeconds: 0.061,
		stepSecondsPerSequence: 4e-4,
		stepSecondsPerContextToken: 58e-9,
		stepTokens: 512,
		kvBlocks: 1_000,
	},
};
const L40S: ReplicaKind = {
	gpu: "L40S",
	usdPerHour: 0.85,
	engine: {
		...A40.engine,
		prefillTokensPerSecond: 4_000,
		stepSeconds: 0.0496,
		stepSecondsPerContextToken: 46e-9,
		stepTokens: 1_024,
	},
};

/** The fleets for prompts of a chat service, and those for prompts of a coding agent, which are ten times as long. */
export const CHAT_FLEETS: readonly Fleet[] = [
	{ id: "equal", title: "8 × 7k tok/s", replicas: times(8, H100_PCIE) },
	{ id: "mixed", title: "4 × 12k + 4 × 2k tok/s", replicas: [...times(4, H100), ...times(4, A40)] },
];
export const AGENT_FLEETS: readonly Fleet[] = [
	{ id: "equal", title: "8 × 10k tok/s", replicas: times(8, atRate(H100_PCIE, 10_000)) },
	{ id: "mixed", title: "4 × 16k + 4 × 4k tok/s", replicas: [...times(4, atRate(H100, 16_000)), ...times(4, L40S)] },
];

/** The same with a better engine. */
function atRate(kind: ReplicaKind, prefillTokensPerSecond: number): ReplicaKind {
	return { ...kind, engine: { ...kind.engine, prefillTokensPerSecond } };
}

function times<T>(count: number, value: T): T[] {
	return Array.from({ length: count }, () => value);
}

/** The engines, each a few percent faster or slower than its kind: no two machines are the same. */
export function enginesOf({ replicas }: Fleet, rng: () => number): EngineSpec[] {
	return replicas.map(({ engine }) => {
		const speed = Math.exp((rng() - 0.5) * 0.2);
		return {
			...engine,
			prefillTokensPerSecond: engine.prefillTokensPerSecond * speed,
			stepSeconds: engine.stepSeconds / speed,
		};
	});
}

/** All replicas as one, with a cache without end: what no router can pass. One step of it reads all weights in the time in
 *  which all replicas read them at once. */
export function pooledEngine(engines: readonly EngineSpec[], kvBlocks: number): EngineSpec {
	const sum = (of: (engine: EngineSpec) => number): number => engines.reduce((total, each) => total + of(each), 0);
	return {
		prefillTokensPerSecond: sum((each) => each.prefillTokensPerSecond),
		stepSeconds: 1 / sum((each) => 1 / each.stepSeconds),
		stepSecondsPerSequence: 1 / sum((each) => 1 / each.stepSecondsPerSequence),
		stepSecondsPerContextToken: 1 / sum((each) => 1 / each.stepSecondsPerContextToken),
		stepTokens: Math.max(...engines.map((each) => each.stepTokens)),
		runningMax: sum((each) => each.runningMax),
		kvBlocks,
		overheadSeconds: Math.min(...engines.map((each) => each.overheadSeconds)),
	};
}

export function usdPerHour({ replicas }: Fleet): number {
	return replicas.reduce((total, each) => total + each.usdPerHour, 0);
}

export const MODEL_ID = "replay";
export const ANSWER_TOKENS_MAX = 4_096;
/** Places a replica for each token a second. More than are ever in flight, so that no request is refused and every router
 *  answers all of them; in proportion to speed, as an operator would size pools, since the fallback goes by them. */
const PLACES_PER_RATE = 0.5;

/** The fleet as an operator would write it into a catalog: GPU types and prices, no rates. KV memories
 *  look `memoryGuess` times as large as they are. */
export function catalogOf({ replicas }: Fleet, memoryGuess = 1, shards = 1): CatalogModel {
	const kinds = [...new Set(replicas)];
	const catalog = catalogSchema.parse({
		models: [
			{
				id: MODEL_ID,
				context_length: INPUT_TOKENS_MAX + ANSWER_TOKENS_MAX,
				capabilities: ["chat"],
				parameters_billion: 19.2,
				bytes_per_parameter: 1.5,
				kv_bytes_per_token: 28_125 / memoryGuess,
				scheduler_shards: shards,
			},
		],
		pools: kinds.map(({ gpu, usdPerHour: usd, engine }) => ({
			id: gpu.toLowerCase(),
			model: MODEL_ID,
			engine: "vllm",
			gpu: { type: gpu },
			place: { provider: "own", region: "eu", round_trip_ms: 1 },
			price: { per: "gpu_hour", usd },
			max_concurrency: Math.round(PLACES_PER_RATE * engine.prefillTokensPerSecond),
			replicas: replicas.flatMap((each, index) =>
				each.gpu === gpu ? [{ id: `r${index}`, url: `http://r${index}.test` }] : [],
			),
		})),
	});
	return buildSnapshot(1, catalog).models.get(MODEL_ID)!;
}

/** The index of a catalog's replica in its fleet. */
export function replicaIndex(name: string): number {
	return Number(name.slice(name.lastIndexOf("/r") + 2));
}
