import type { LabelledPrompt } from "./operator-labels.ts";
import type { AnchorRow } from "./outcome.ts";
import type { Estimator } from "./prompt-estimate.ts";
import { topDomains } from "./explain-route.ts";

/** An operator's labelled prompts in the estimator's domains, beside what it expects of the models itself. `cardOf`: a model's
 *  index in the estimator; null where it has none. A prompt unlike all that the estimator knows is in no domain, and counts for all
 *  of them together. */
export function anchorRows(
	labels: readonly LabelledPrompt[],
	estimator: Estimator,
	cardOf: (model: string) => number | null,
): AnchorRow[] {
	return labels.map(({ prompt, scores }) => {
		const { inDomain, posterior, quality } = estimator.estimate(prompt);
		const cards: Record<string, number> = {};
		for (const model of Object.keys(scores)) {
			const expected = quality[cardOf(model) ?? -1];
			if (expected !== undefined && Number.isFinite(expected)) cards[model] = expected;
		}
		return { domains: inDomain ? topDomains(estimator.domains, posterior) : [], scores, cards };
	});
}
