import type { RouteWeights } from "../catalog/route-fields.ts";
import { PRIVACY_ZONES } from "../catalog/router-names.ts";
import type { Usd } from "../units.ts";
import { draw, type Chance, type Drawn } from "./draw.ts";
import type { Reason, RouteCandidate, RouteTerms } from "./explanation.ts";
import type { Option } from "./options.ts";
import { pareto } from "./pareto.ts";
import type { Quality } from "./refine.ts";
import type { Rule } from "./rules.ts";
import { settle } from "./settle.ts";

/** How many standard errors of the difference of two qualities a model must gain to replace the incumbent. */
const LEAVE_ERRORS = 1;
const YEAR_MS = 365.25 * 86_400_000;
const VERBOSE_TOKENS = 1_000;
const NO_CHANCE: Chance = { share: 0, u: 0 };

/** An option with what is believed of its model's answer. */
export interface Judged {
	readonly option: Option;
	readonly quality: Quality;
}

export interface ChoiceRules {
	readonly qualityUsd: Usd;
	/** Share of the best candidate's quality. */
	readonly floor: number;
	readonly weights: RouteWeights;
	/** Id; null where there is none among the models. */
	readonly incumbent: string | null;
	/** The model that had the conversation before; null where that is not known. */
	readonly conversation: string | null;
	/** False: the qualities say nothing. */
	readonly isJudged: boolean;
	/** Unix milliseconds. */
	readonly today: number;
	/** What is left to chance, where the prompt was judged. */
	readonly chance: Chance;
}

export interface Ranked {
	readonly option: Option;
	readonly candidate: RouteCandidate;
}

export interface RouteChoice {
	readonly drawn: Drawn<Ranked>;
	readonly reason: Reason;
	/** The least score first; one for each model, at its best pool. */
	readonly candidates: readonly RouteCandidate[];
	readonly rejected: readonly { readonly model: string; readonly rule: Rule }[];
	readonly pareto: readonly string[];
}

/** The one objective over models and pools: `v_quality E[quality lost] + risk + money + congestion + time + late + harm + weights`.
 *  `judged` in the router's order, at least one. Where the prompt was not judged the incumbent answers, or the first model. */
export function choose(judged: readonly Judged[], rules: ChoiceRules): RouteChoice {
	const { kept, rejected } = sift(judged, rules);
	const best = bestQuality(kept);
	const incumbent = kept.find(({ option }) => option.model.id === rules.incumbent);
	const units = unitsOf(kept);
	const ranked = kept.map((each): Ranked & { readonly model: string; score: Usd; usd: Usd; standardError: number } => {
		const { option, quality } = each;
		const terms = termsOf(each, { best, incumbent, units, rules });
		const score = Object.values(terms).reduce((sum: number, usd: number) => sum + usd, 0);
		const candidate: RouteCandidate = {
			model: option.model.id,
			pool: option.pool,
			quality: quality.quality,
			standard_error: quality.standardError,
			usd: option.usd,
			seconds: option.seconds,
			score,
			terms,
			shadow: quality.shadow,
			card: quality.card,
			...(option.busy && { busy: true as const }),
		};
		const standardError = quality.shadow ? 0 : quality.standardError;
		return { option, candidate, model: option.model.id, score, usd: option.usd, standardError };
	});
	const free = ranked.filter(({ option }) => !option.busy);
	const sorted = rules.isJudged ? free.toSorted((a, b) => a.score - b.score) : asNamed(free, rules.incumbent);
	const busy = ranked.filter(({ option }) => option.busy).toSorted((a, b) => a.score - b.score);
	const settled = rules.isJudged ? settle(sorted, rules.conversation, rules.qualityUsd) : null;
	const chosen = settled?.chosen ?? sorted[0] ?? busy[0]!;
	const rest = [...sorted, ...busy].filter((each) => each !== chosen);
	const byScore = [...sorted, ...busy].toSorted((a, b) => a.score - b.score);
	const candidates = byScore
		.filter((each, index) => byScore.findIndex(({ model }) => model === each.model) === index)
		.map(({ candidate }) => candidate);
	// Nothing is drawn where nothing is known.
	const chance = settled ? rules.chance : NO_CHANCE;
	const drawn = draw([chosen, ...rest], chance, rules.qualityUsd);
	return {
		drawn,
		reason: drawn.explored ? "drawn" : reasonFor(settled?.reason, chosen.model, sorted.length, rules),
		candidates,
		rejected,
		pareto: pareto(candidates).map(({ model }) => model),
	};
}

function reasonFor(reason: Reason | undefined, chosen: string, count: number, rules: ChoiceRules): Reason {
	if (!rules.isJudged) return count > 1 ? "incumbent" : "only";
	return reason === "best" && chosen === rules.incumbent ? "incumbent" : (reason ?? "only");
}

/** The incumbent first, the others in the router's order. */
function asNamed<T extends { readonly model: string }>(ranked: readonly T[], incumbent: string | null): T[] {
	return ranked.toSorted((a, b) => Number(b.model === incumbent) - Number(a.model === incumbent));
}

/** Takes out what may not be chosen for its quality. */
function sift(judged: readonly Judged[], { isJudged, floor, incumbent }: ChoiceRules) {
	const rejected: { model: string; rule: Rule }[] = [];
	if (!isJudged) return { kept: judged, rejected };
	const known = judged.filter(({ quality }) => !quality.shadow);
	if (known.length === 0) return { kept: judged, rejected };
	const least = floor * Math.max(...known.map(({ quality }) => quality.quality));
	const kept = judged.filter(({ option, quality }) => {
		const model = option.model.id;
		const rule =
			quality.shadow && model !== incumbent
				? "shadow"
				: !quality.shadow && quality.quality < least
					? "quality_floor"
					: null;
		if (rule !== null && !rejected.some((each) => each.model === model)) rejected.push({ model, rule });
		return rule === null;
	});
	return { kept, rejected };
}

function bestQuality(kept: readonly Judged[]): number {
	return Math.max(0, ...kept.flatMap(({ quality }) => (quality.shadow ? [] : [quality.quality])));
}

/** What stands for a size or a date that the catalog does not tell: the worst among the candidates. */
function unitsOf(kept: readonly Judged[]) {
	const sizes = kept.flatMap(({ option }) => option.model.model.parameters_billion ?? []);
	const dates = kept.flatMap(({ option }) => dateOf(option) ?? []);
	return { size: Math.max(0, ...sizes), released: dates.length > 0 ? Math.min(...dates) : null };
}

function dateOf({ model }: Option): number | undefined {
	return model.model.released === undefined ? undefined : Date.parse(model.model.released);
}

interface Frame {
	readonly best: number;
	readonly incumbent: Judged | undefined;
	readonly units: ReturnType<typeof unitsOf>;
	readonly rules: ChoiceRules;
}

function termsOf({ option, quality }: Judged, { best, incumbent, units, rules }: Frame): RouteTerms {
	const { terms, model } = option;
	const { weights, qualityUsd, isJudged, today } = rules;
	const released = dateOf(option) ?? units.released;
	const years = released === null ? 0 : Math.max(0, (today - released) / YEAR_MS);
	const size = model.model.parameters_billion ?? units.size;
	const isIncumbent = incumbent?.option.model.id === model.id;
	const doubt = incumbent && !isIncumbent ? Math.hypot(quality.standardError, incumbent.quality.standardError) : 0;
	return {
		// Of an incumbent without an estimate no loss is known.
		quality: isJudged && !quality.shadow ? qualityUsd * (best - quality.quality) : 0,
		risk: isJudged ? LEAVE_ERRORS * qualityUsd * doubt : 0,
		money: terms.money + (terms.start ?? 0) + (terms.regret ?? 0),
		congestion: terms.congestion,
		time: terms.time,
		late: terms.late,
		harm: terms.harm,
		size: (weights.size ?? 0) * size,
		recency: (weights.recency ?? 0) * years,
		privacy: (weights.privacy ?? 0) * PRIVACY_ZONES.indexOf(option.zone),
		verbosity: ((weights.verbosity ?? 0) * option.outputTokens) / VERBOSE_TOKENS,
	};
}
