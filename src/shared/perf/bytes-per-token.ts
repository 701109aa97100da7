import type { Tokens } from "../units.ts";
import { Lru, type Rows } from "./lru.ts";

/** English prose and code, on the tokenizers of today. */
const PRIOR = 4;
const RATIO_MIN = 1;
const RATIO_MAX = 16;
/** Outside of these the pool does not count what we count (images, a broken usage field). */
const PLAUSIBLE_MIN = 0.25;
const PLAUSIBLE_MAX = 64;
/** In prompt tokens: what the prior weighs, what one prompt weighs at most, and how much is remembered. */
const PRIOR_TOKENS = 2_000;
const PROMPT_TOKENS_MAX = 4_000;
const MEMORY_TOKENS = 200_000;
const MODELS_MAX = 1_024;

/** Bytes per prompt token by model: a ratio of fading sums, so that it is right for the total and short prompts,
 *  mostly template, do not weigh like long ones. */
export class BytesPerToken {
	readonly #rows: Lru;

	/** `rows` are those of a `snapshot()`; what is malformed in them is left out. */
	constructor(modelsMax = MODELS_MAX, rows: Rows = []) {
		this.#rows = new Lru(modelsMax, 2, rows);
	}

	/** A prompt of so many bytes was reported as so many tokens. Ignored unless both are finite and positive and
	 *  their ratio is plausible. */
	observe(model: string, promptBytes: number, promptTokens: Tokens): void {
		const ratio = promptBytes / promptTokens;
		if (!(promptTokens > 0 && ratio >= PLAUSIBLE_MIN && ratio <= PLAUSIBLE_MAX)) return;
		const weight = Math.min(promptTokens, PROMPT_TOKENS_MAX);
		const tokens = this.#tokens(model) + weight;
		const bytes = this.#tokens(model) * this.ratio(model) + weight * clamp(ratio);
		const kept = Math.min(tokens, MEMORY_TOKENS);
		this.#rows.set(model, [bytes / tokens, kept]);
	}

	/** Bytes per prompt token, from 1 to 16. */
	ratio(model: string): number {
		return clamp(this.#rows.get(model)?.[0] ?? PRIOR);
	}

	/** `rows` for the constructor, plain JSON. */
	snapshot(): Rows {
		return this.#rows.entries();
	}

	#tokens(model: string): Tokens {
		const tokens = this.#rows.get(model)?.[1] ?? PRIOR_TOKENS;
		return Math.min(MEMORY_TOKENS, Math.max(PRIOR_TOKENS, tokens));
	}
}

function clamp(ratio: number): number {
	return Math.min(RATIO_MAX, Math.max(RATIO_MIN, ratio));
}
