/** Probabilities are kept off 0 and 1, where one wrong estimate could never be outvoted. */
const SURE = 0.995;

export function clamped(probability: number): number {
	return Math.min(SURE, Math.max(1 - SURE, Number.isNaN(probability) ? 0.5 : probability));
}

export function logOdds(probability: number): number {
	const p = clamped(probability);
	return Math.log(p / (1 - p));
}

export function fromLogOdds(odds: number): number {
	return 1 / (1 + Math.exp(-odds));
}
