import { acceptanceThreshold, type AcceptanceTerms } from "./acceptance.ts";
import { agreement, expectedAgreement } from "./agreement.ts";
import { aloneProbability, type Judged } from "./judged.ts";
import type { Rung } from "./rung.ts";
import { isInside, windowAround } from "./score-window.ts";
import { withVerdict } from "./verifier.ts";

/** One or two cheap models, and the one that answers where they do not do. */
export interface Ladder {
	readonly cheap: readonly Rung[];
	readonly top: Rung;
	/** Asked where the decision is close; null: nobody is. */
	readonly verifier: Rung | null;
}

export interface LadderTerms extends AcceptanceTerms {
	/** Share of the traffic on either side of the threshold that gets another opinion. */
	readonly halfWidth: number;
	/** Recent P(right) of the first cheap answer by itself, and of what was settled on before a verifier was asked. */
	readonly firstScores: readonly number[];
	readonly settledScores: readonly number[];
}

/** What has been answered. By rung, the cheap ones first, then the top; null where it was not asked. */
export interface LadderState {
	readonly judged: readonly (Judged | null)[];
	/** The verifier's word on the answer that was settled on. Undefined: not asked; null: asked, and it said nothing. */
	readonly verdict: boolean | null | undefined;
}

export type LadderStep =
	| { readonly kind: "call"; readonly rungs: readonly number[] }
	| { readonly kind: "verify"; readonly rung: number }
	| {
			readonly kind: "accept";
			readonly rung: number;
			readonly why: "sure" | "agreed" | "verified" | "top" | "best_left";
			/** P(right), as far as it is known. */
			readonly probability: number;
	  };

/** What to do next. What costs nothing comes first: an answer with a fault goes straight to the top. The second cheap model is
 *  asked where agreement would spare the top and is worth its own price, or where the first one's score lies close above the
 *  threshold; the verifier only within the window around it. */
export function nextStep(ladder: Ladder, terms: LadderTerms, { judged, verdict }: LadderState): LadderStep {
	const { cheap, top, verifier } = ladder;
	const topIndex = cheap.length;
	if (judged[topIndex]) return afterTop(ladder, judged);
	const first = judged[0];
	if (!first) return { kind: "call", rungs: [0] };
	const toTop: LadderStep = { kind: "call", rungs: [topIndex] };
	if (first.fault) return toTop;

	const alone = aloneProbability(cheap[0]!, first);
	const threshold = acceptanceThreshold(top, cheap[0]!.quality, terms);
	const second = judged[1];
	if (cheap.length > 1 && !second && isSecondWorth(ladder, terms, first, alone, threshold))
		return { kind: "call", rungs: [1] };

	const settled = settle(cheap, judged, alone);
	if (verdict !== undefined) {
		const probability = withVerdict(settled.probability, verdict);
		return probability >= threshold ? { kind: "accept", rung: settled.rung, why: "verified", probability } : toTop;
	}
	const window = windowAround(threshold, terms.settledScores, terms.halfWidth);
	if (verifier && isInside(window, settled.probability) && mayTip(settled.probability, threshold))
		return { kind: "verify", rung: settled.rung };
	if (settled.probability < threshold) return toTop;
	return { kind: "accept", ...settled, why: settled.agreed ? "agreed" : "sure" };
}

/** The first cheap model's P(right) by itself, and that of what was settled on: what windows are made of. */
export function scoresOf({ cheap }: Ladder, { judged }: LadderState): { first: number; settled: number } | null {
	const first = judged[0];
	if (!first || first.fault) return null;
	const alone = aloneProbability(cheap[0]!, first);
	return { first: alone, settled: settle(cheap, judged, alone).probability };
}

function isSecondWorth(
	{ cheap, top }: Ladder,
	terms: LadderTerms,
	{ key }: Judged,
	alone: number,
	threshold: number,
): boolean {
	// Prose agrees with nothing.
	if (!key) return false;
	const second = cheap[1]!;
	if (alone >= threshold) return alone <= windowAround(threshold, terms.firstScores, terms.halfWidth).high;
	const [both] = agreement([
		{ quality: alone, key },
		{ quality: second.quality, key },
	]);
	if (both!.probability < threshold) return false;
	const price = (rung: Rung): number => rung.usd + terms.valueOfSecond * rung.seconds;
	return price(second) < expectedAgreement(alone, second.quality) * price(top);
}

/** What the cheap answers come to: the most probable thing that one of them says, in the words of the better model. */
function settle(
	cheap: readonly Rung[],
	judged: readonly (Judged | null)[],
	alone: number,
): { readonly rung: number; readonly probability: number; readonly agreed: boolean } {
	const second = judged[1];
	if (cheap.length < 2 || !second || second.fault) return { rung: 0, probability: alone, agreed: false };
	const [leader] = agreement([
		{ quality: alone, key: judged[0]!.key },
		{ quality: aloneProbability(cheap[1]!, second), key: second.key },
	]);
	const { members, probability } = leader!;
	const rung = members.reduce((best, member) => (cheap[member]!.quality > cheap[best]!.quality ? member : best));
	return { rung, probability, agreed: members.length > 1 };
}

/** Whether a verifier's word could change the decision. */
function mayTip(probability: number, threshold: number): boolean {
	return withVerdict(probability, true) >= threshold && withVerdict(probability, false) < threshold;
}

/** The top's answer, unless there is none and a cheap one has no fault. One that was not asked is asked then, the best first. */
function afterTop({ cheap, top }: Ladder, judged: readonly (Judged | null)[]): LadderStep {
	const own = judged[cheap.length]!;
	if (!own.fault) return { kind: "accept", rung: cheap.length, why: "top", probability: top.quality };
	const rung = bestSoFar(cheap, judged);
	const isBetter = rung !== null && judged[rung]!.fault === null;
	if (isBetter)
		return { kind: "accept", rung, why: "best_left", probability: aloneProbability(cheap[rung]!, judged[rung]!) };
	const [left] = cheap
		.flatMap(({ quality }, index) => (judged[index] ? [] : { index, quality }))
		.sort((a, b) => b.quality - a.quality);
	if (own.fault === "failed" && left) return { kind: "call", rungs: [left.index] };
	return { kind: "accept", rung: cheap.length, why: "top", probability: 0 };
}

/** The best of the answers that are there, for when nothing more may be asked: one without fault before one with, then the more
 *  probable. Null where there is none. */
export function bestSoFar(rungs: readonly Rung[], judged: readonly (Judged | null)[]): number | null {
	let best: number | null = null;
	let bestRank = -1;
	for (const [index, rung] of rungs.entries()) {
		const known = judged[index];
		if (!known || known.fault === "failed") continue;
		const rank = known.fault ? 0 : 1 + aloneProbability(rung, known);
		if (rank > bestRank) [best, bestRank] = [index, rank];
	}
	return best;
}
