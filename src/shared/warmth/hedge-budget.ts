/** Hedges that may be saved up. */
const SAVED_MAX = 10;

/** Lets hedges be at most a share of a model's requests: each request adds its share of a hedge, each hedge takes a whole one. Over
 *  any time there are at most `share * requests + SAVED_MAX` of them, and none before there were `1 / share` requests. */
export class HedgeBudget {
	readonly #share: number;
	#saved = 0;

	constructor(share: number) {
		this.#share = share;
	}

	/** A request came. */
	deposit(): void {
		this.#saved = Math.min(SAVED_MAX, this.#saved + this.#share);
	}

	/** Takes one hedge out; false when there is none left. */
	withdraw(): boolean {
		// Twenty times a share of 0.05 is to be one, whatever the last bit says.
		if (this.#saved < 1 - 1e-9) return false;
		this.#saved -= 1;
		return true;
	}
}
