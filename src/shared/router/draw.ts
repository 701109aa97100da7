import type { Usd } from "../units.ts";
import { explore } from "./explore.ts";

/** What chance makes of a choice. */
export interface Drawn<T> {
	/** The one that is tried first, and then the others in turn. */
	readonly order: readonly T[];
	/** P(this one was to be tried first). */
	readonly propensity: number;
	readonly explored: boolean;
}

export interface Drawable {
	readonly model: string;
	/** USD; the least is the best. */
	readonly score: Usd;
	/** Of its quality. */
	readonly standardError: number;
	/** One that is not to be chosen yet, or takes no requests now, is not drawn. */
	readonly candidate: { readonly shadow: boolean; readonly busy?: true };
}

export interface Chance {
	/** Of requests that are drawn rather than chosen. */
	readonly share: number;
	/** Uniform in [0, 1). */
	readonly u: number;
}

/** Leaves a small share of the choices to chance, among the models that may be the best for all that is known: what was drawn tells
 *  of a model what its own choices cannot. The first of `order` is the choice; one that is drawn goes before it, and the rest stays
 *  as it is. */
export function draw<T extends Drawable>(order: readonly T[], { share, u }: Chance, qualityUsd: Usd): Drawn<T> {
	const plain = { order, propensity: 1, explored: false };
	if (!(u < share)) return plain;
	// A model stands there once for each of its pools; the first of them is its best.
	const models = order.filter((each, index) => order.findIndex(({ model }) => model === each.model) === index);
	const explorable = models.map(({ score, standardError, candidate }) => ({
		score,
		standardError: qualityUsd * standardError,
		shadow: candidate.shadow || candidate.busy === true,
	}));
	const drawn = explore(explorable, 0, share, u);
	if (!drawn.explored) return plain;
	const first = models[drawn.index]!;
	const { propensity, explored } = drawn;
	return { order: [first, ...order.filter((each) => each !== first)], propensity, explored };
}
