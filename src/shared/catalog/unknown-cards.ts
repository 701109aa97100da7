import { didYouMean } from "./nearest-names.ts";
import type { Problem } from "./problems.ts";
import type { Catalog } from "./schema.ts";

/** A warning for each model whose card is none of those in the router's weights. `known`: their names; null where the weights cannot
 *  be read. */
export function unknownCards({ models }: Pick<Catalog, "models">, known: readonly string[] | null): Problem[] {
	const named = models.flatMap(({ card }, index) =>
		card === undefined ? [] : [{ card, path: `models[${index}].card` }],
	);
	if (known === null) {
		const [first] = named;
		const message = "the router's weights cannot be read: whether they have the cards is not known";
		return first ? [{ path: first.path, message }] : [];
	}
	const names = new Set(known);
	return named
		.filter(({ card }) => !names.has(card))
		.map(({ card, path }) => ({
			path,
			message: `the router's weights have no card ${JSON.stringify(card)}, so that nothing is known of the model's quality${didYouMean(card, names)}`,
		}));
}
