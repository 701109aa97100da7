import { isNumbers } from "../perf/stored.ts";
import type { Tokens } from "../units.ts";

/** What one answer says of a replica's cache. */
export interface CacheObservation {
	/** Prompt tokens that the replica was known to hold when the request was sent. */
	readonly confirmed: Tokens;
	/** Those included that another request in flight was yet to compute: no promise. */
	readonly predicted: Tokens;
	/** Prompt tokens that it hit, as it reported. An answer that reports nothing is no observation. */
	readonly actual: Tokens;
}

/** What to make of it: the blocks are there; what lies beyond the actual hit does not stay there; all is gone. */
export type Verdict = "held" | "short" | "gone";

/** Engines hit whole blocks of their own only (vLLM 16 tokens, TensorRT-LLM and others up to 64), and compute the last one of
 *  a prompt again. */
const ENGINE_BLOCK: Tokens = 64;
/** Our tokens follow from bytes, and a part of a prompt may be denser than the whole. */
const TOLERANCE = 0.25;
/** So many in a row are no chance. */
const REPEATED = 3;
const SHRINK = 0.85;
const RECOVER = 1.01;
const GROW = 1.05;
const SCALE_MIN = 1 / 64;
const SCALE_MAX = 8;
/** In tokens: what the prior of full trust weighs, and how much is remembered. */
const TRUST_PRIOR: Tokens = 4_000;
const TRUST_MEMORY: Tokens = 100_000;

/** How far what we think a replica holds can be believed, learned from the cached-token counts in its answers. `scale`
 *  multiplies the capacity that its hardware suggests: it shrinks by a factor with each answer that hit less than was known to
 *  be there, and recovers slowly (too small a view costs more than one too large, by replays of real traces). `trust` is the
 *  share of predicted tokens that really hit: it falls towards zero for an engine that caches nothing. */
export class CacheBelief {
	#scale = 1;
	#predicted = 0;
	#actual = 0;
	#short = 0;
	#gone = 0;
	#tells = 0;
	/** Scale and sums as they were before the first of the answers in a row that hit nothing. */
	#before: readonly [scale: number, predicted: Tokens, actual: Tokens] | null = null;

	/** `stored` is a `snapshot()`; a malformed one is left out. */
	constructor(stored?: readonly number[]) {
		// Older ones do not have the fourth.
		if (!isNumbers(stored, 4) && !isNumbers(stored, 3)) return;
		this.#scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, stored[0]!));
		this.#predicted = Math.min(TRUST_MEMORY, Math.max(0, stored[1]!));
		this.#actual = Math.min(this.#predicted, Math.max(0, stored[2]!));
		this.#tells = (stored[3] ?? 0) & 0xff;
	}

	/** Between 1/64 and 8. */
	get scale(): number {
		return this.#scale;
	}

	/** Between 0 and 1. */
	get trust(): number {
		return (TRUST_PRIOR + this.#actual) / (TRUST_PRIOR + this.#predicted);
	}

	/** Whether an answer of this kind (0 to 7) has told its cached tokens since the engine began. */
	tells(kind: number): boolean {
		return (this.#tells & (1 << kind)) !== 0;
	}

	told(kind: number): void {
		this.#tells |= 1 << kind;
	}

	observe({ confirmed, predicted, actual }: CacheObservation): Verdict {
		if (!(confirmed >= 0 && predicted >= confirmed && predicted < Infinity && actual >= 0)) return "held";
		const short = actual + ENGINE_BLOCK < confirmed * (1 - TOLERANCE);
		const gone = short && actual <= ENGINE_BLOCK;
		const tells = confirmed > ENGINE_BLOCK;
		if (gone) this.#before ??= [this.#scale, this.#predicted, this.#actual];
		else if (tells) this.#before = null;
		this.#remember(confirmed, Math.min(confirmed, actual + ENGINE_BLOCK));
		if (tells) {
			this.#short = short ? this.#short + 1 : 0;
			this.#gone = gone ? this.#gone + 1 : 0;
		}
		if (short) this.#scaleBy(SHRINK, SCALE_MAX);
		else if (actual > predicted * (1 + TOLERANCE) + ENGINE_BLOCK) this.#scaleBy(GROW, SCALE_MAX);
		else if (tells) this.#scaleBy(RECOVER, Math.max(1, this.#scale));

		if (this.#gone === REPEATED && this.#before) {
			// It restarted, which says nothing of its size. Where all is gone again with no hit since, it does not cache.
			[this.#scale, this.#predicted, this.#actual] = this.#before;
			return "gone";
		}
		return this.#short >= REPEATED ? "short" : "held";
	}

	/** The replica was emptied for a reason that is known: what is missing from now on is no evidence. It may have been started
	 *  with other options. */
	forgive(): void {
		this.#short = 0;
		this.#gone = 0;
		this.#before = null;
		this.#tells = 0;
	}

	/** Plain JSON for the constructor. */
	snapshot(): number[] {
		return [this.#scale, this.#predicted, this.#actual, this.#tells];
	}

	#scaleBy(factor: number, max: number): void {
		this.#scale = Math.min(max, Math.max(SCALE_MIN, this.#scale * factor));
	}

	#remember(predicted: Tokens, actual: Tokens): void {
		const total = this.#predicted + predicted;
		const keep = total > TRUST_MEMORY ? TRUST_MEMORY / total : 1;
		// Rounding must not carry it over the bounds that a stored one is held to.
		this.#predicted = Math.min(TRUST_MEMORY, total * keep);
		this.#actual = Math.min(this.#predicted, (this.#actual + actual) * keep);
	}
}
