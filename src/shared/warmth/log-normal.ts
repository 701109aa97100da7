import { normalCdf } from "../objective/lognormal.ts";
import type { Seconds } from "../units.ts";

/** Seconds whose logarithm is normal with mean `mu` and standard deviation `sigma` > 0. */
export interface LogNormal {
	readonly mu: number;
	readonly sigma: number;
}

/** E[T]. */
export function meanOf({ mu, sigma }: LogNormal): Seconds {
	return Math.exp(mu + (sigma * sigma) / 2);
}

/** The seconds at `z` standard deviations of the logarithm: the median at 0, the 99th percentile at 2.33. */
export function quantileAt({ mu, sigma }: LogNormal, z: number): Seconds {
	return Math.exp(mu + z * sigma);
}

/** P(T > later | T > earlier); 1 where `later` is not after `earlier`. */
export function stillAfter(law: LogNormal, earlier: Seconds, later: Seconds): number {
	if (later <= earlier) return 1;
	const before = standardised(law, earlier);
	const after = standardised(law, later);
	if (before === -Infinity) return 1 - normalCdf(after);
	// Far out in the tail both probabilities vanish and their ratio does not.
	if (before > FAR) return Math.exp((before * before - after * after) / 2) * (millsRatio(after) / millsRatio(before));
	return Math.min(1, (1 - normalCdf(after)) / (1 - normalCdf(before)));
}

/** P(T > seconds), exact far out in the tail. */
export function survival(law: LogNormal, seconds: Seconds): number {
	const z = standardised(law, seconds);
	if (z <= FAR) return 1 - normalCdf(z);
	return (millsRatio(z) * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** E[T - age | T > age]: how much longer, when it has taken `age` seconds already. With Mills' ratio M it is
 *  `age * (M(z - sigma) / M(z) - 1)`, which is stable where the probabilities vanish. Grows without end for large ages: what
 *  should long have been over is not likely to be over soon. */
export function residualOf(law: LogNormal, age: Seconds): Seconds {
	const z = standardised(law, age);
	const mean = meanOf(law);
	// So early the condition tells nothing, and the ratio would overflow.
	if (z < -NEAR) return Math.max(0, mean - Math.max(0, age));
	return Math.max(0, age * (millsRatio(z - law.sigma) / millsRatio(z) - 1));
}

const FAR = 3;
const NEAR = 5;
/** Terms of the continued fraction; 40 are exact to a double from z = 3 on. */
const FRACTION_TERMS = 40;

function standardised({ mu, sigma }: LogNormal, seconds: Seconds): number {
	return seconds > 0 ? (Math.log(seconds) - mu) / sigma : -Infinity;
}

/** P(Z > z) over the density at z of a standard normal Z; beyond `FAR` by Laplace's continued fraction. */
function millsRatio(z: number): number {
	if (z <= FAR) return ((1 - normalCdf(z)) / Math.exp((-z * z) / 2)) * Math.sqrt(2 * Math.PI);
	let fraction = z;
	for (let term = FRACTION_TERMS; term > 0; term--) fraction = z + term / fraction;
	return 1 / fraction;
}
