import { EscalationRates } from "../../../src/shared/router/cascade/escalation-rates.ts";
import { RecentScores } from "../../../src/shared/router/cascade/score-window.ts";
import type { Isolate } from "../isolate.ts";

const SCORES_KEPT = 512;
/** Ladders whose scores are kept. */
const LADDERS_MAX = 200;

/** What the cascades of one isolate have taught it. Nothing in it is needed for correctness: without it the estimates alone decide
 *  whether a ladder pays. */
export class Learned {
	readonly rates = new EscalationRates();
	readonly #scores = new Map<string, LadderScores>();

	scoresOf(ladder: string): LadderScores {
		let scores = this.#scores.get(ladder);
		if (scores) this.#scores.delete(ladder);
		else scores = new LadderScores();
		this.#scores.set(ladder, scores);
		for (const oldest of this.#scores.keys()) {
			if (this.#scores.size <= LADDERS_MAX) break;
			this.#scores.delete(oldest);
		}
		return scores;
	}
}

export class LadderScores {
	readonly #first = new RecentScores(SCORES_KEPT);
	readonly #settled = new RecentScores(SCORES_KEPT);

	get first(): readonly number[] {
		return this.#first.all;
	}

	get settled(): readonly number[] {
		return this.#settled.all;
	}

	add({ first, settled }: { readonly first: number; readonly settled: number }): void {
		this.#first.add(first);
		this.#settled.add(settled);
	}
}

const learned = new WeakMap<Isolate, Learned>();

export function learnedBy(isolate: Isolate): Learned {
	let known = learned.get(isolate);
	if (!known) learned.set(isolate, (known = new Learned()));
	return known;
}
