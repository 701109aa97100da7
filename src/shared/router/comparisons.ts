/** What answers to one prompt say of the models that gave them: each winner did better than all of the losers. Models are
 *  indices. */
export interface Comparison {
	readonly winners: readonly number[];
	readonly losers: readonly number[];
	/** 1 for a verdict of a person. */
	readonly weight: number;
}

/** Scores nearer than this are a tie, which says nothing. */
const TIE = 1e-9;

/** The comparisons in the scores of one prompt (NaN: not scored). Where only two different scores stand, all that have the better
 *  one win against all that have the worse; otherwise it is one comparison for each pair (ONEBench's reduction of scores to
 *  partial rankings). A prompt on which all are equal says nothing of their order. */
export function comparisonsOf(scores: ArrayLike<number>, weight = 1): Comparison[] {
	const models: number[] = [];
	for (let m = 0; m < scores.length; m++) if (!Number.isNaN(scores[m]!)) models.push(m);
	const best = Math.max(...models.map((m) => scores[m]!));
	const worst = Math.min(...models.map((m) => scores[m]!));
	if (models.length < 2 || best - worst <= TIE) return [];
	const winners = models.filter((m) => best - scores[m]! <= TIE);
	const losers = models.filter((m) => scores[m]! - worst <= TIE);
	if (winners.length + losers.length === models.length) return [{ winners, losers, weight }];
	const pairs: Comparison[] = [];
	for (const better of models) {
		const worse = models.filter((m) => scores[better]! - scores[m]! > TIE);
		pairs.push(...worse.map((m) => ({ winners: [better], losers: [m], weight })));
	}
	return pairs;
}
