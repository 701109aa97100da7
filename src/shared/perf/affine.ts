import type { Seconds } from "../units.ts";
import { isNumbers } from "./stored.ts";

/** What is believed of `y = intercept + slope * x` before anything was observed. */
export interface AffinePrior {
	/** Means, both above zero. */
	readonly intercept: number;
	readonly slope: number;
	/** Standard deviation of ln(true / prior) of each. The prior weighs as much as `(noise / spread)^2` observations.
	 *  */
	readonly spread: number;
	/** Standard deviation of ln(y / mean) of one observation. */
	readonly noise: number;
	/** How long without observations until the logarithm of an estimate is half-way back at the prior. */
	readonly halfLife: Seconds;
	/** Physics: no estimate goes below these. Default: a thousandth of the prior; the upper bound is a thousand times
	 *  it. */
	readonly interceptMin?: number;
	readonly slopeMin?: number;
}

/** `sigma` is the standard deviation of ln(y) about a prediction: the noise of an answer and what is not yet known of
 *  the line, at an x where both terms are equal. With `intercept + slope * x` as the mean it makes a log-normal. */
export interface AffineEstimate {
	readonly intercept: number;
	readonly slope: number;
	readonly sigma: number;
}

const RANGE = 1_000;
/** Residuals beyond this many standard deviations count as if they were at it (Huber). */
const CLIP = 2;
/** The same for the noise estimate; at 3 it is right for a normal distribution to 1 %. */
const NOISE_CLIP = 3;
/** So many residuals clipped in a row, all to one side, are no outliers: the line has moved, and is believed less. */
const STREAK = 3;
/** Weight of the prior's noise and of what was seen, in observations. */
const NOISE_PRIOR_COUNT = 4;
const NOISE_MEMORY = 40;
const NOISE_MIN = 0.05;
const NOISE_MAX = 2;
/** How far above the median a mean is taken to lie at most, in ln: a transient must not be read as a heavy tail. */
const MEAN_SHIFT_MAX = 0.125;
const VARIANCE_MIN = 1e-8;

const STATE_LENGTH = 10;

/** Online estimate of a line with two positive coefficients from observations whose error is proportional to the
 *  value: an extended Kalman filter on (ln intercept, ln slope) that observes ln y. In between, the state is an
 *  Ornstein-Uhlenbeck process whose stationary law is the prior, so that what is not observed drifts back to it, mean
 *  and uncertainty alike. O(1) to update and to read. The line is that of the mean of y, not of its median. */
export class AffineFit {
	readonly #prior: AffinePrior;
	readonly #interceptRange: readonly [number, number];
	readonly #slopeRange: readonly [number, number];
	readonly #intercept0: number;
	readonly #slope0: number;
	/** Logarithms of the coefficients, and the covariance of their errors. */
	#intercept: number;
	#slope: number;
	#varIntercept: number;
	#varSlope: number;
	#covariance = 0;
	/** Variance of one observation's ln, and how many it was estimated from. */
	#noise: number;
	#count = 0;
	/** The last residual, and how many in a row were clipped, negative for those below the line. */
	#residual = 0;
	#streak = 0;
	#at: Seconds = 0;

	/** `state` is a `snapshot()`, also of another prior: it is brought into this one's bounds. A malformed one is
	 *  left out. */
	constructor(prior: AffinePrior, state?: readonly number[]) {
		this.#prior = prior;
		this.#interceptRange = logRange(prior.intercept, prior.interceptMin);
		this.#slopeRange = logRange(prior.slope, prior.slopeMin);
		this.#intercept0 = clamp(Math.log(prior.intercept), this.#interceptRange);
		this.#slope0 = clamp(Math.log(prior.slope), this.#slopeRange);
		this.#intercept = this.#intercept0;
		this.#slope = this.#slope0;
		this.#varIntercept = prior.spread ** 2;
		this.#varSlope = prior.spread ** 2;
		this.#noise = prior.noise ** 2;
		if (isNumbers(state, STATE_LENGTH)) this.#restore(state);
	}

	/** Takes in that `y` was seen at `x`. Ignored (false) unless x is finite and not negative and y is finite and
	 *  positive. A clock that goes back counts as one that stands still. */
	observe(x: number, y: number, now: Seconds): boolean {
		if (!(x >= 0 && x < Infinity && y > 0 && y < Infinity)) return false;
		this.#drift(now);

		const constant = Math.exp(this.#intercept);
		const mean = Math.min(Number.MAX_VALUE, constant + Math.exp(this.#slope) * x);
		// The gradient of ln(mean); its two parts add up to one.
		const h = constant / mean;
		const g = 1 - h;
		// A log-normal's ln lies half its variance below the ln of its mean.
		const residual = Math.log(y) - Math.log(mean) + Math.min(this.#noise / 2, MEAN_SHIFT_MAX);
		this.#countStreak(residual, CLIP * Math.sqrt(this.#variance(h, g) + this.#noise));

		const gainIntercept = this.#varIntercept * h + this.#covariance * g;
		const gainSlope = this.#covariance * h + this.#varSlope * g;
		const total = this.#variance(h, g) + this.#noise;
		const trust = Math.min(1, (CLIP * Math.sqrt(total)) / Math.max(Math.abs(residual), Number.MIN_VALUE));
		const step = (trust * residual) / total;
		this.#intercept = clamp(this.#intercept + gainIntercept * step, this.#interceptRange);
		this.#slope = clamp(this.#slope + gainSlope * step, this.#slopeRange);
		const shrink = trust / total;
		this.#setCovariance(
			this.#varIntercept - shrink * gainIntercept ** 2,
			this.#varSlope - shrink * gainSlope ** 2,
			this.#covariance - shrink * gainIntercept * gainSlope,
		);
		this.#learnNoise(residual, total);
		return true;
	}

	/** The line as it is believed `now`, drift included. Changes nothing. */
	read(now: Seconds): AffineEstimate {
		const keep = this.#keep(now);
		const { spread, noise } = this.#prior;
		const toward = (value: number, rest: number, share: number): number => rest + (value - rest) * share;
		const variance =
			toward(this.#varIntercept, spread ** 2, keep ** 2) +
			toward(this.#varSlope, spread ** 2, keep ** 2) +
			2 * this.#covariance * keep ** 2;
		return {
			intercept: Math.exp(toward(this.#intercept, this.#intercept0, keep)),
			slope: Math.exp(toward(this.#slope, this.#slope0, keep)),
			sigma: Math.sqrt(toward(this.#noise, noise ** 2, keep) + Math.max(0, variance) / 4),
		};
	}

	/** The whole state as ten numbers, for JSON. */
	snapshot(): number[] {
		return [
			this.#at,
			this.#intercept,
			this.#slope,
			this.#varIntercept,
			this.#varSlope,
			this.#covariance,
			this.#noise,
			this.#count,
			this.#residual,
			this.#streak,
		];
	}

	#restore(state: readonly number[]): void {
		const [at, intercept, slope, varIntercept, varSlope, covariance, noise, count, residual, streak] = state;
		this.#at = at!;
		this.#intercept = clamp(intercept!, this.#interceptRange);
		this.#slope = clamp(slope!, this.#slopeRange);
		this.#setCovariance(varIntercept!, varSlope!, covariance!);
		this.#noise = clamp(noise!, [NOISE_MIN ** 2, NOISE_MAX ** 2]);
		this.#count = clamp(count!, [0, NOISE_MEMORY]);
		this.#residual = residual!;
		this.#streak = clamp(streak!, [-STREAK, STREAK]);
	}

	/** Var(ln mean) where the gradient is (h, g). */
	#variance(h: number, g: number): number {
		return Math.max(0, h * h * this.#varIntercept + 2 * h * g * this.#covariance + g * g * this.#varSlope);
	}

	#countStreak(residual: number, limit: number): void {
		const side = Math.abs(residual) > limit ? Math.sign(residual) : 0;
		this.#streak = side === 0 ? 0 : side * (side * this.#streak > 0 ? Math.min(STREAK, Math.abs(this.#streak) + 1) : 1);
		if (Math.abs(this.#streak) < STREAK) return;
		const rest = this.#prior.spread ** 2;
		this.#setCovariance((this.#varIntercept + rest) / 2, (this.#varSlope + rest) / 2, this.#covariance / 2);
	}

	/** From the difference of successive residuals, which a line that is off in level does not widen (von Neumann).
	 *  */
	#learnNoise(residual: number, total: number): void {
		const limit = NOISE_CLIP * Math.sqrt(total);
		const clipped = clamp(residual, [-limit, limit]);
		if (this.#count > 0) {
			const square = (clipped - clamp(this.#residual, [-limit, limit])) ** 2 / 2;
			this.#noise += (square - this.#noise) / (this.#count + NOISE_PRIOR_COUNT);
			this.#noise = clamp(this.#noise, [NOISE_MIN ** 2, NOISE_MAX ** 2]);
		}
		this.#residual = clipped;
		this.#count = Math.min(this.#count + 1, NOISE_MEMORY);
	}

	/** The share of what was learned that is left at `now`. */
	#keep(now: Seconds): number {
		const elapsed = now - this.#at;
		return elapsed > 0 ? 2 ** (-elapsed / this.#prior.halfLife) : 1;
	}

	#drift(now: Seconds): void {
		const keep = this.#keep(now);
		if (Number.isFinite(now)) this.#at = now;
		if (keep === 1) return;
		const rest = this.#prior.spread ** 2;
		this.#intercept = this.#intercept0 + (this.#intercept - this.#intercept0) * keep;
		this.#slope = this.#slope0 + (this.#slope - this.#slope0) * keep;
		this.#varIntercept = rest + (this.#varIntercept - rest) * keep ** 2;
		this.#varSlope = rest + (this.#varSlope - rest) * keep ** 2;
		this.#covariance *= keep ** 2;
		this.#noise = this.#prior.noise ** 2 + (this.#noise - this.#prior.noise ** 2) * keep;
		this.#count *= keep;
	}

	/** Rounding must not make the covariance matrix indefinite, nor a snapshot the prior's spread larger. */
	#setCovariance(varIntercept: number, varSlope: number, covariance: number): void {
		const range = [VARIANCE_MIN, Math.max(VARIANCE_MIN, this.#prior.spread ** 2)] as const;
		this.#varIntercept = clamp(varIntercept, range);
		this.#varSlope = clamp(varSlope, range);
		const most = Math.sqrt(this.#varIntercept * this.#varSlope);
		this.#covariance = clamp(covariance, [-most, most]);
	}
}

function logRange(prior: number, least: number | undefined): readonly [number, number] {
	const low = Math.max(prior / RANGE, least ?? 0);
	return [Math.log(low), Math.log(Math.max(prior * RANGE, low))];
}

function clamp(value: number, [low, high]: readonly [number, number]): number {
	return Math.min(high, Math.max(low, value));
}
