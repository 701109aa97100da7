/** The stationary distribution of an irreducible Markov chain in continuous time, from its `size` x `size` rates (row: from;
 *  the diagonal is not read), which are overwritten. States are taken out one by one without a subtraction, so that no digit is
 *  lost (Grassmann, Taksar and Heyman 1985). */
export function stationary(rates: Float64Array, size: number): Float64Array {
	for (let last = size - 1; last > 0; last--) {
		let out = 0;
		for (let to = 0; to < last; to++) out += rates[last * size + to]!;
		for (let from = 0; from < last; from++) {
			const share = rates[from * size + last]! / out;
			rates[from * size + last] = share;
			for (let to = 0; to < last; to++) rates[from * size + to]! += share * rates[last * size + to]!;
		}
	}
	const mass = new Float64Array(size);
	mass[0] = 1;
	let total = 1;
	for (let state = 1; state < size; state++) {
		for (let from = 0; from < state; from++) mass[state]! += mass[from]! * rates[from * size + state]!;
		total += mass[state]!;
	}
	return mass.map((each) => each / total);
}
