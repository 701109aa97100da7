import { logNormal, type Rng } from "./random.ts";

/** What a provider needs before the engine's process begins (queue, container, code): the log-normal that Huawei publish for
 *  11.9 million starts ("Serverless Cold Starts and Where to Find Them", EuroSys'25, fig. 10: mean 3.24 s, standard deviation
 *  7.10 s). Theirs are starts of CPU functions: only the part before the engine is taken from them. */
export const PLATFORM_START = { medianSeconds: 1.345, sigma: 1.326 } as const;

/** What the engine then needs at a provider, for an 8-billion-parameter model in 16 bits (16 GB). From the A4000's rows of vLLM's
 *  sleep-mode measurements (vLLM 0.11, 2025-10-26; the profiles have the A100's, and so has the scheduler's prior): starts of 21.0
 *  and 46.0 s and wakings from level 1 of 0.103 and 0.8 s for models of 1.2 and 8.4 GB, continued along the line through their
 *  logarithms. Runs differ by 0.2 %. Level 2 was not measured there: the profiles' own. */
export const ENGINE_START = {
	coldStart: { medianSeconds: 60, sigma: 0.002 },
	wakeSeconds: [1.6, 3.6],
} as const;

/** Starts under way, by provider. */
export class StartsUnderWay {
	readonly #counts = new Map<string, number>();

	/** How many others are under way there. `end` must be called once this one is over. */
	begin(provider: string): { readonly others: number; readonly end: () => void } {
		const others = this.#counts.get(provider) ?? 0;
		this.#counts.set(provider, others + 1);
		let open = true;
		const end = (): void => {
			if (open) this.#counts.set(provider, (this.#counts.get(provider) ?? 1) - 1);
			open = false;
		};
		return { others, end };
	}
}

/** Seconds until a provider has a container, with `others` of its starts under way. They grow with those (Spearman's rho 0.7 in
 *  Huawei's region R1); that they do so in proportion, as in a queue, is this simulator's assumption: no slope is published. */
export function platformSeconds(rng: Rng, others: number): number {
	const { medianSeconds, sigma } = PLATFORM_START;
	return logNormal(rng, medianSeconds, sigma) * (1 + others);
}
