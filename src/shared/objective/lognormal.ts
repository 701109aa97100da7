/** E[max(0, T - goal)] for a log-normal T with this mean and this standard deviation of ln T: the Black-Scholes call
 *  formula without discounting. Zero sigma gives max(0, mean - goal). */
export function expectedExcess(mean: number, sigma: number, goal: number): number {
	if (mean <= 0) return 0;
	if (goal <= 0) return mean - goal;
	if (sigma < 1e-6) return Math.max(0, mean - goal);
	const d1 = Math.log(mean / goal) / sigma + sigma / 2;
	return Math.max(0, mean * normalCdf(d1) - goal * normalCdf(d1 - sigma));
}

/** By how much `expectedExcess` grows when the mean does: the share of the time over the goal, in [0, 1]. */
export function lateShare(mean: number, sigma: number, goal: number): number {
	if (goal <= 0) return 1;
	if (mean <= 0) return 0;
	if (sigma < 1e-6) return mean > goal ? 1 : 0;
	return normalCdf(Math.log(mean / goal) / sigma + sigma / 2);
}

/** The standard normal distribution function, error under 1.5e-7 (Abramowitz and Stegun 7.1.26). */
export function normalCdf(x: number): number {
	const z = Math.abs(x) / Math.SQRT2;
	const t = 1 / (1 + 0.3275911 * z);
	const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
	const tail = 0.5 * poly * Math.exp(-z * z);
	return x >= 0 ? 1 - tail : tail;
}
