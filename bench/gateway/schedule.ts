import { seeded } from "../../test/simulator/random.ts";

/** When requests are due, in seconds from the start: a Poisson process of `rate` a second over `seconds`. */
export function arrivals(rate: number, seconds: number, seed: number): number[] {
	const rng = seeded(seed);
	const due: number[] = [];
	for (let at = gap(); at < seconds; at += gap()) due.push(at);
	return due;

	function gap(): number {
		return -Math.log(1 - rng()) / rate;
	}
}
