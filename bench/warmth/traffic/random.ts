type Rng = () => number;

export function exponential(rng: Rng, mean: number): number {
	return -mean * Math.log(1 - rng());
}

export function weibull(rng: Rng, shape: number, scale: number): number {
	return scale * (-Math.log(1 - rng())) ** (1 / shape);
}

/** By Marsaglia and Tsang's method (2000), with their boost for shapes under 1. */
export function gamma(rng: Rng, shape: number, scale: number): number {
	if (shape < 1) return gamma(rng, shape + 1, scale) * (1 - rng()) ** (1 / shape);
	const d = shape - 1 / 3;
	const c = 1 / Math.sqrt(9 * d);
	for (;;) {
		const x = Math.sqrt(-2 * Math.log(1 - rng())) * Math.cos(2 * Math.PI * rng());
		const v = (1 + c * x) ** 3;
		if (v > 0 && Math.log(1 - rng()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v * scale;
	}
}
