import type { Tokens } from "../units.ts";
import { afterAnswer, bounded, expectedLength, type LengthBelief } from "./length-belief.ts";
import { joined, Lru, type Rows } from "./lru.ts";

/** A model that was never seen: 330 tokens in the mean, widely spread, as in chats. */
export const LENGTH_PRIOR: LengthBelief = { mean: Math.log(180), variance: 1.1 ** 2, count: 0 };
/** Answers that an estimate remembers. */
const KEY_MEMORY = 50;
const MODEL_MEMORY = 500;
const ROWS_MAX = 4_096;
const TOKENS_MAX = 10_000_000;

/** How long answers are, per (model, key). A key starts from all keys of its model, a model from a prior. */
export class OutputLengths {
	readonly #rows: Lru;

	/** `rows` are those of a `snapshot()`; what is malformed in them is left out. */
	constructor(rowsMax = ROWS_MAX, rows: Rows = []) {
		this.#rows = new Lru(rowsMax, 3, rows);
	}

	/** An answer had `tokens`; `limited`: it reached its limit and would have been longer. Ignored unless 1 <= tokens
	 *  <= 1e7. */
	observe(model: string, key: string, tokens: Tokens, limited: boolean): void {
		if (!(tokens >= 1 && tokens <= TOKENS_MAX)) return;
		const own = this.#own(model, key);
		this.#set(joined(model, key), afterAnswer(own, tokens, limited, KEY_MEMORY));
		this.#set(joined(model), afterAnswer(this.ofModel(model), tokens, limited, MODEL_MEMORY));
	}

	/** E[min(output, maxTokens)] of the key's next answer. Between 1 and `maxTokens`, and 0 where that is 0. */
	predict(model: string, key: string, maxTokens: Tokens): Tokens {
		const limit = Number.isNaN(maxTokens) ? Infinity : Math.max(0, maxTokens);
		return Math.min(limit, Math.max(1, expectedLength(this.#own(model, key), limit)));
	}

	/** Of all keys of the model; the prior where none was seen. */
	ofModel(model: string): LengthBelief {
		const row = this.#rows.get(joined(model));
		return row ? belief(row) : LENGTH_PRIOR;
	}

	/** `rows` for the constructor, plain JSON. */
	snapshot(): Rows {
		return this.#rows.entries();
	}

	#own(model: string, key: string): LengthBelief {
		const row = this.#rows.get(joined(model, key));
		return row ? belief(row) : { ...this.ofModel(model), count: 0 };
	}

	#set(name: string, { mean, variance, count }: LengthBelief): void {
		this.#rows.set(name, [mean, variance, count]);
	}
}

function belief([mean = 0, variance = 0, count = 0]: readonly number[]): LengthBelief {
	return bounded({ mean, variance, count });
}
