import { seeded } from "../../test/simulator/random.ts";
import { BLOCKS_PER_PROMPT } from "./fleet.ts";

const SYSTEM_BLOCKS = BLOCKS_PER_PROMPT / 2;
const SYSTEM_PROMPTS = 200;
/** Conversations that may go on. */
const OPEN_MAX = 20_000;
/** How often a prompt goes on with an open conversation, and how many of its blocks are new then. */
const NEXT_TURN = 0.5;
const TURN_BLOCKS = 4;

/** Chains of 40 blocks as prompts make them: a system prompt of 20 blocks, one of 200, then a conversation of its own. Half of
 *  the prompts have all but their last four blocks in common with an earlier one, as a next turn has. */
export class Conversations {
	readonly #rng: () => number;
	readonly #systems: Uint32Array[];
	readonly #open: Uint32Array[] = [];

	constructor(seed: number) {
		this.#rng = seeded(seed);
		this.#systems = Array.from({ length: SYSTEM_PROMPTS }, () => this.#words(SYSTEM_BLOCKS));
	}

	next(): Uint32Array {
		const known = this.#open[Math.floor(this.#rng() * this.#open.length)];
		const chain = new Uint32Array(2 * BLOCKS_PER_PROMPT);
		if (known && this.#rng() < NEXT_TURN) {
			chain.set(known);
			chain.set(this.#words(TURN_BLOCKS), 2 * (BLOCKS_PER_PROMPT - TURN_BLOCKS));
			return chain;
		}
		chain.set(this.#systems[Math.floor(this.#rng() * SYSTEM_PROMPTS)]!);
		chain.set(this.#words(BLOCKS_PER_PROMPT - SYSTEM_BLOCKS), 2 * SYSTEM_BLOCKS);
		if (this.#open.length < OPEN_MAX) this.#open.push(chain);
		else this.#open[Math.floor(this.#rng() * OPEN_MAX)] = chain;
		return chain;
	}

	#words(blocks: number): Uint32Array {
		return Uint32Array.from({ length: 2 * blocks }, () => this.#rng() * 2 ** 32);
	}
}
