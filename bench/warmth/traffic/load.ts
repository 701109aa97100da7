import { combine, seeded } from "../../../test/simulator/random.ts";
import type { TraceRequest } from "../../replay/trace.ts";
import { readData, readMeasured } from "../data.ts";
import { ANSWER_TOKENS_MAX } from "../fleet.ts";
import type { Traffic } from "../simulate.ts";
import type { Measured } from "../start-times.ts";
import { parseAzure, slowed, type AzureRow } from "./azure.ts";
import { arrivalsOf, parseRates, type Window } from "./servegen.ts";
import { timerArrivals } from "./timers.ts";

export const TRAFFIC_IDS = ["code", "conversation", "clients", "timers"] as const;
export type TrafficId = (typeof TRAFFIC_IDS)[number];

export const TITLES: Readonly<Record<TrafficId, string>> = {
	code: "Azure code",
	conversation: "Azure conversation",
	clients: "ServeGen clients",
	timers: "timers",
};

const AZURE = "Azure/AzurePublicDataset at b469a11, data/AzureLLMInferenceTrace_*.csv, gzipped";
const SERVEGEN = "alibaba/ServeGen at f891d11, data/*/*/chunk-*-trace.csv, joined and gzipped";
/** The pool of ServeGen whose clients send seldom enough. */
const POOL = "m-large";
const NO_BLOCKS = new Int32Array(0);
const INPUT_TOKENS_MAX = 16_000;

/** The data that the benchmark reads, each once. */
export class DataStore {
	readonly #directory: string;
	readonly #kept = new Map<string, Promise<unknown>>();

	constructor(directory: string) {
		this.#directory = directory;
	}

	measured(): Promise<Measured> {
		return this.#once("measured", () => readMeasured(this.#directory));
	}

	/** About `count` requests, `perSecond` on average, as `seed` draws them. The halves have as many requests. */
	async traffic(id: TrafficId, perSecond: number, count: number, seed: number): Promise<Traffic> {
		const rng = seeded(combine(seed, 1));
		if (id === "code" || id === "conversation") {
			const kept = slowed(await this.#azure(id), count, perSecond, rng);
			return trafficOf(kept.map((row) => ({ ...row, client: 0 })));
		}
		const lengths = await this.#azure("conversation");
		const arrivals =
			id === "timers" ? timerArrivals(count, perSecond, rng) : arrivalsOf(await this.#windows(), count, perSecond, rng);
		return trafficOf(
			arrivals.map((arrival) => {
				const { input, output } = lengths[Math.floor(rng() * lengths.length)]!;
				return { ...arrival, input, output };
			}),
		);
	}

	#azure(id: "code" | "conversation"): Promise<AzureRow[]> {
		const file = `traces/azure2023_${id === "code" ? "code" : "conv"}.csv.gz`;
		return this.#once(file, async () => parseAzure(await readData(this.#directory, file, AZURE)));
	}

	#windows(): Promise<Window[]> {
		const file = "traces/servegen_rates.csv.gz";
		return this.#once(file, async () => parseRates(await readData(this.#directory, file, SERVEGEN), POOL));
	}

	#once<T>(name: string, read: () => Promise<T>): Promise<T> {
		let kept = this.#kept.get(name);
		if (!kept) this.#kept.set(name, (kept = read()));
		return kept as Promise<T>;
	}
}

export function trafficOf(
	rows: readonly { readonly at: number; readonly input: number; readonly output: number; readonly client: number }[],
): Traffic {
	const requests = rows.map(({ at, input, output, client }): TraceRequest => ({
		at,
		input: Math.min(input, INPUT_TOKENS_MAX),
		output: Math.min(output, ANSWER_TOKENS_MAX),
		blocks: NO_BLOCKS,
		conversation: client,
	}));
	return { requests, middle: requests[requests.length >> 1]?.at ?? 0 };
}
