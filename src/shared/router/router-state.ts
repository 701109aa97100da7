import type { Evidence } from "./evidence.ts";
import type { Gate } from "./gate.ts";
import { levelIn, type Learned } from "./learn.ts";
import type { ModelState, RouterState } from "./messages.ts";

/** What was learned, spelled out by domain and model, the strongest first. */
export function domainsOf(learned: Learned): RouterState["domains"] {
	const { models, domains, cells, levels, sifted } = learned;
	const counts = countsOf(sifted.evidence);
	return domains.map((domain, d) => {
		const strengths = d === 0 ? learned.strengths : learned.ranking(domain);
		const states = models.map((model, m): ModelState => {
			const { n, mean, card } = cells.at(domain, model);
			const { mean: level, variance } = levelIn(cells, levels, domain, model);
			const count = counts.get(JSON.stringify([d === 0 ? null : domain, model]));
			return {
				model,
				explored: count?.explored ?? 0,
				paired: count?.paired ?? 0,
				anchors: count?.anchor ?? 0,
				evidence: n,
				mean: n === 0 ? null : mean,
				shift: Number.isNaN(card) ? null : mean - card,
				level,
				standard_error: Math.sqrt(variance),
				gate: gateState(learned.gate(domain, model)),
				strength: strengths[m] ?? 0,
			};
		});
		return { domain, models: states.sort((a, b) => b.strength - a.strength || b.level - a.level) };
	});
}

function gateState(gate: Gate | null): ModelState["gate"] {
	if (!gate) return null;
	const { standardError, ...rest } = gate;
	return { ...rest, standard_error: standardError };
}

/** Scores by (domain, model) and design; a score counts in the domain that its prompt most likely has, and in null for all. */
function countsOf(evidence: readonly Evidence[]): Map<string, Record<Evidence["design"], number>> {
	const counts = new Map<string, Record<Evidence["design"], number>>();
	for (const { domains, model, design } of evidence) {
		const [first] = domains.toSorted((a, b) => b.p - a.p);
		for (const domain of first ? [null, first.name] : [null]) {
			const key = JSON.stringify([domain, model]);
			let count = counts.get(key);
			if (!count) counts.set(key, (count = { explored: 0, paired: 0, anchor: 0 }));
			count[design]++;
		}
	}
	return counts;
}
