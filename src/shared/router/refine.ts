import { EVERYWHERE } from "./evidence.ts";
import { PRIOR_STRENGTH } from "./posterior.ts";
import type { OnlineView } from "./online-view.ts";
import type { PromptEstimate } from "./prompt-estimate.ts";

/** A catalog model, as far as its quality is concerned. */
export interface RefinedModel {
	readonly id: string;
	/** Its index among the estimator's models; null where it names no card, or one that the weights do not have. */
	readonly card: number | null;
}

/** What is expected of a model's answer to one prompt. */
export interface Quality {
	readonly quality: number;
	readonly standardError: number;
	/** Nothing is known of it: it may be chosen only where no other can answer, or where it is the incumbent. */
	readonly shadow: boolean;
	/** What its card alone expects, which later scores are compared with; null where it has none. */
	readonly card: number | null;
}

/** Of a model of which nothing is known: anything. */
const UNKNOWN: Quality = { quality: 0.5, standardError: 0.5, shadow: true, card: null };

/** Share of the prompt's domains where a model without a card must have been let out of shadow. */
const OPEN_SHARE = 0.5;

/** Variance of one score about its mean where the scores themselves do not tell: of a coin that is hardly fair. */
const SCORE_VARIANCE = 0.2;

/** Row of the view's arrays and its weight. */
interface Share {
	readonly row: number;
	readonly p: number;
}

/** The quality of each model, in their order: what the weights say, moved by what was learned. A model with a card is moved in each of
 *  the prompt's domains by how far its scores there are from what the card expected of them; one without a card is worth there
 *  what its scores say. `domains` are the estimator's. */
export function refine(
	estimate: PromptEstimate | null,
	models: readonly RefinedModel[],
	view: OnlineView | null,
	domains: readonly string[],
): Quality[] {
	const shares = view === null ? [] : sharesOf(estimate, view, domains);
	return models.map(({ id, card }) => {
		const column = view === null ? -1 : view.models.indexOf(id);
		const known = column < 0 ? null : view;
		const quality = card === null ? undefined : estimate?.quality[card];
		if (card === null || quality === undefined || !Number.isFinite(quality)) {
			return known === null ? UNKNOWN : ofScores(known, column, shares);
		}
		const standardError = estimate?.standardError[card] ?? Number.NaN;
		const ofCard = { quality, standardError: Number.isFinite(standardError) ? standardError : 0.5 };
		return known === null ? { ...ofCard, shadow: false, card: quality } : moved(ofCard, known, column, shares);
	});
}

/** Which rows of the view hold for the prompt: those of its domains, and for the rest of it the row of all domains together. A prompt
 *  unlike all others has no domain. */
function sharesOf(estimate: PromptEstimate | null, view: OnlineView, domains: readonly string[]): Share[] {
	const shares: Share[] = [];
	let rest = 1;
	if (estimate?.inDomain) {
		for (const [index, name] of domains.entries()) {
			const p = estimate.posterior[index] ?? 0;
			const row = p > 0 ? view.domains.indexOf(name) : -1;
			if (row < 0 || name === EVERYWHERE) continue;
			shares.push({ row, p });
			rest -= p;
		}
	}
	if (rest > 1e-9) shares.push({ row: 0, p: rest });
	return shares;
}

function moved(
	{ quality, standardError }: { readonly quality: number; readonly standardError: number },
	view: OnlineView,
	column: number,
	shares: readonly Share[],
): Quality {
	let shift = 0;
	let variance = 0;
	for (const { row, p } of shares) {
		const at = row * view.models.length + column;
		const n = view.evidence[at] ?? 0;
		const trust = n / (n + PRIOR_STRENGTH);
		shift += p * trust * (view.shift[at] ?? 0);
		variance += p * ((1 - trust) * standardError ** 2 + (n === 0 ? 0 : (trust ** 2 * SCORE_VARIANCE) / n));
	}
	const after = Math.min(1, Math.max(0, quality + shift));
	return { quality: after, standardError: Math.min(0.5, Math.sqrt(variance)), shadow: false, card: quality };
}

function ofScores(view: OnlineView, column: number, shares: readonly Share[]): Quality {
	let quality = 0;
	let variance = 0;
	let open = 0;
	let evidence = 0;
	for (const { row, p } of shares) {
		const at = row * view.models.length + column;
		const level = view.level[at] ?? 0.5;
		quality += p * level;
		variance += p * (view.standardError[at] ?? 0.5) ** 2;
		open += p * (view.open[at] ?? 0);
		evidence += view.evidence[at] ?? 0;
	}
	const isKnown = view.labelled[column] === 1 || (evidence > 0 && open >= OPEN_SHARE);
	return { quality, standardError: Math.min(0.5, Math.sqrt(variance)), shadow: !isKnown, card: null };
}
