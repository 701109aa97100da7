/** What an engine on one kind of GPU can do. The numbers are for an 8-billion-parameter model in 16 bits. */
export interface EngineProfile {
	readonly prefillTokensPerSecond: number;
	/** One step = stepSeconds + secondsPerSequence * sequences + secondsPerContextToken * context + prefill / rate: the
	 *  affine form that DistServe (OSDI'24) fits to measured engines. */
	readonly stepSeconds: number;
	readonly secondsPerSequence: number;
	readonly secondsPerContextToken: number;
	readonly kvTokens: number;
	/** vLLM's max_num_seqs. */
	readonly maxRunning: number;
	/** vLLM's max_num_batched_tokens: the chunk of chunked prefill. */
	readonly batchTokens: number;
	readonly coldStart: { readonly medianSeconds: number; readonly sigma: number };
	/** Waking from sleep level 1 (weights in host memory) and level 2 (weights discarded). */
	readonly wakeSeconds: readonly [level1: number, level2: number];
}

export type ProfileName = "H100" | "A100" | "L40S" | "L4";

/** Explicit numbers; what is left out is taken from the H100. */
export type ProfileNumbers = Partial<EngineProfile>;

/** Running limit and chunk: SMG's mock worker. Cold start: three starts of vLLM 0.11 on an A100 took 38.0, 47.4 and 58.1 s
 *  (vLLM's sleep-mode measurements): their mean, and the standard deviation of their logarithms. Waking: the same source,
 *  interpolated from 4B and 30B to 8B. */
const COMMON = {
	maxRunning: 256,
	batchTokens: 2_048,
	coldStart: { medianSeconds: 48, sigma: 0.21 },
	wakeSeconds: [1.1, 3.6],
} as const;

/** Prefill and step: the middle of llm-d-inference-sim's reference ranges at batch 1; the L4, which it lacks, is its L40S
 *  divided by the ratio of peak FLOP/s (362 : 121) and of bandwidth (864 : 300 GB/s). Per sequence: DistServe's fit on the
 *  A100 (0.158 ms), scaled by peak FLOP/s. Per context token: 128 KiB of KV at 76 % of the bandwidth. KV tokens: 90 % of
 *  the memory less 16.06 GB of weights, in 128 KiB. */
export const PROFILES: Readonly<Record<ProfileName, EngineProfile>> = {
	H100: {
		...COMMON,
		prefillTokensPerSecond: 4_400,
		stepSeconds: 0.0125,
		secondsPerSequence: 0.00005,
		secondsPerContextToken: 5.1e-8,
		kvTokens: 426_784,
	},
	A100: {
		...COMMON,
		prefillTokensPerSecond: 2_350,
		stepSeconds: 0.02,
		secondsPerSequence: 0.00016,
		secondsPerContextToken: 8.5e-8,
		kvTokens: 426_784,
	},
	L40S: {
		...COMMON,
		prefillTokensPerSecond: 1_210,
		stepSeconds: 0.03,
		secondsPerSequence: 0.00014,
		secondsPerContextToken: 2e-7,
		kvTokens: 207_056,
	},
	L4: {
		...COMMON,
		prefillTokensPerSecond: 404,
		stepSeconds: 0.086,
		secondsPerSequence: 0.00041,
		secondsPerContextToken: 5.7e-7,
		kvTokens: 42_256,
	},
};

export function engineProfile(profile: ProfileName | ProfileNumbers): EngineProfile {
	return typeof profile === "string" ? PROFILES[profile] : { ...PROFILES.H100, ...profile };
}
