import { BLOCK_TOKENS } from "./block-chain.ts";
import type { BehaviourChange } from "./behaviour.ts";
import { ENGINE_START } from "./cold-starts.ts";
import { SCALE_TO_ZERO, type ScaleToZeroName } from "../../src/shared/catalog/scale-to-zero.ts";
import { engineProfile, type EngineProfile, type ProfileName, type ProfileNumbers } from "./profile.ts";

export interface ReplicaOptions {
	readonly name: string;
	/** The served model name. */
	readonly model: string;
	readonly profile?: ProfileName | ProfileNumbers;
	/** Default: a free port. */
	readonly port?: number;
	/** Sequences that run at once (vLLM's max_num_seqs); the others wait. Default: the profile's. */
	readonly maxConcurrency?: number;
	readonly kvTokens?: number;
	/** vLLM's max_model_len; never more than the KV memory holds. Default 131,072. */
	readonly contextLength?: number;
	/** Divides all times. 0 or Infinity: no delays at all; then there is no queue and no prefix cache either, and prompts in
	 *  bodies over 16 KB are not read but counted as a token for 4 bytes. Default 1. */
	readonly speed?: number;
	/** Every path under /v1 then needs it as Bearer token. */
	readonly apiKey?: string;
	/** Scaled to zero: the first request starts it. */
	readonly startCold?: boolean;
	/** Who scales it to zero, and how that is seen: the catalog's kinds. Starts then take the provider's time besides the
	 *  engine's there (cold-starts.ts), and `idleSeconds` is the provider's unless `behaviour` says otherwise. Default: nobody's; its probes fail while
	 *  it is cold and do not start it. */
	readonly provider?: ScaleToZeroName;
	/** vLLM's --enable-prompt-tokens-details. Default true. */
	readonly reportCachedTokens?: boolean;
	/** The field of reasoning deltas: `reasoning`, or `reasoning_content` as in older versions. */
	readonly reasoningField?: "reasoning" | "reasoning_content";
	/** Median length of an answer, in tokens. Default 120. */
	readonly outputTokens?: number;
	/** What it answers to a prompt that holds a text: the first that does. Other prompts get prose that means nothing. */
	readonly says?: readonly Saying[];
	readonly embeddingDimensions?: number;
	/** Requests kept for `lastRequests()`. Default 100. */
	readonly recordRequests?: number;
	/** With no delays: events written at once; the rest follows in later turns of the event loop. Default: all. */
	readonly eventsPerWrite?: number;
	readonly behaviour?: BehaviourChange;
	/** vLLM's --kv-events-config: publishes KV events over ZMQ. Needs delays, since without them there is no prefix cache. */
	readonly kvEvents?: KvEventsOptions;
}

export interface Saying {
	readonly to: string;
	readonly answer: string;
}

/** The engines' encodings of one message: vLLM's three (arrays, an array of maps, maps), and SGLang's. */
export const KV_ENCODINGS = ["arrays", "array_of_maps", "maps", "sglang"] as const;

export interface KvEventsOptions {
	/** Default: `arrays`. */
	readonly encoding?: (typeof KV_ENCODINGS)[number];
	/** Default: a free port of 127.0.0.1. */
	readonly endpoint?: string;
	/** Of the replay ROUTER; null: none. Default: a free port. */
	readonly replayEndpoint?: string | null;
	/** Batches kept for replays. Default 10,000. */
	readonly bufferSteps?: number;
	readonly topic?: string;
}

/** Options with nothing left open. */
export interface Settings {
	readonly name: string;
	readonly model: string;
	readonly profile: EngineProfile;
	readonly port: number;
	readonly contextLength: number;
	/** Infinity: no delays. */
	readonly speed: number;
	readonly apiKey: string | null;
	readonly startCold: boolean;
	readonly provider: ScaleToZeroName | null;
	readonly reportCachedTokens: boolean;
	readonly reasoningField: "reasoning" | "reasoning_content";
	readonly outputTokens: number;
	readonly says: readonly Saying[];
	readonly embeddingDimensions: number;
	readonly recordRequests: number;
	readonly eventsPerWrite: number;
	readonly behaviour: BehaviourChange;
}

export function settingsOf(options: ReplicaOptions): Settings {
	const base = engineProfile(options.profile ?? "H100");
	const profile: EngineProfile = {
		...base,
		...(options.provider && ENGINE_START),
		...(typeof options.profile === "object" && options.profile),
		kvTokens: options.kvTokens ?? base.kvTokens,
		maxRunning: options.maxConcurrency ?? base.maxRunning,
	};
	const kvHolds = Math.floor(profile.kvTokens / BLOCK_TOKENS) * BLOCK_TOKENS;
	const speed = options.speed ?? 1;
	return {
		name: options.name,
		model: options.model,
		profile,
		port: options.port ?? 0,
		contextLength: Math.min(options.contextLength ?? 131_072, kvHolds),
		speed: speed === 0 ? Number.POSITIVE_INFINITY : speed,
		apiKey: options.apiKey ?? null,
		startCold: options.startCold ?? false,
		provider: options.provider ?? null,
		reportCachedTokens: options.reportCachedTokens ?? true,
		reasoningField: options.reasoningField ?? "reasoning",
		outputTokens: options.outputTokens ?? 120,
		says: options.says ?? [],
		embeddingDimensions: options.embeddingDimensions ?? 1_024,
		recordRequests: options.recordRequests ?? 100,
		eventsPerWrite: options.eventsPerWrite ?? Number.POSITIVE_INFINITY,
		behaviour: {
			...(options.provider && { idleSeconds: SCALE_TO_ZERO[options.provider].idleSeconds }),
			...options.behaviour,
		},
	};
}
