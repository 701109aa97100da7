import { logNormal, type Rng } from "./random.ts";

/** What a provider needs before the engine's process begins (queue, container, code): the log-normal that Huawei publish for
 *  11.9 million starts ("Serverless Cold Starts and Where to Find Them", EuroSys'25, fig. 10: mean 3.24 s, standard deviation
 *  7.10 s). Theirs are starts of CPU functions: only the part before the engine is taken from them. */
export const PLATFORM_START = { medianSeconds: 1.345, sigma: 1.326 } as const;

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
