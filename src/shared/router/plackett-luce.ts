import type { Comparison } from "./comparisons.ts";
import { stationary } from "./stationary.ts";

/** Comparisons that each pair of models is taken to have had already, one half won by either: models that never met have a
 *  rank all the same, and few comparisons make no certainty. */
const PRIOR_COMPARISONS = 0.1;
/** Rounds of the iteration; more move no strength by anything that counts (I-LSR converges in a handful). */
const ROUNDS = 5;

/** Strengths of models in Plackett and Luce's model (a winner is chosen among the compared with a probability in proportion to its
 *  strength), as logarithms that sum to 0, by Luce spectral ranking: the strengths are the stationary distribution of the chain
 *  that goes from each loser to whom it lost, repeated with its own result as weights (I-LSR, Maystre and Grossglauser 2015; for
 *  sparse measurements, ONEBench). Only who was compared with whom matters, not which prompts a model was asked. */
export function strengths(comparisons: readonly Comparison[], models: number, rounds = ROUNDS): Float64Array {
	let weights: Float64Array = new Float64Array(models).fill(1 / models);
	if (models < 2) return new Float64Array(models);
	for (let round = 0; round < rounds; round++) weights = stationary(ratesOf(comparisons, weights), models);
	const logs = weights.map((each) => Math.log(Math.max(each, Number.MIN_VALUE)));
	const centre = logs.reduce((sum, each) => sum + each, 0) / models;
	return logs.map((each) => each - centre);
}

function ratesOf(comparisons: readonly Comparison[], weights: Float64Array): Float64Array {
	const models = weights.length;
	const rates = new Float64Array(models * models);
	for (let from = 0; from < models; from++) {
		for (let to = 0; to < models; to++) {
			rates[from * models + to] = PRIOR_COMPARISONS / 2 / (weights[from]! + weights[to]!);
		}
	}
	for (const { winners, losers, weight } of comparisons) {
		let beaten = 0;
		for (const loser of losers) beaten += weights[loser]!;
		for (const winner of winners) {
			const rate = weight / (weights[winner]! + beaten);
			for (const loser of losers) rates[loser * models + winner]! += rate;
		}
	}
	return rates;
}
