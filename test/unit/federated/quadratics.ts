/** Four clients with f_i(x) = 0.5 (x - b_i)^T diag(a_i) (x - b_i), two of six dimensions. Origin: scaffold-fednova-momentum-formula.json. */
export const QUADRATICS: readonly { readonly a: readonly number[]; readonly b: readonly number[] }[] = [
	{ a: [1.5931, 0.99], b: [-0.8567, -0.7043] },
	{ a: [1.5701, 1.6149], b: [4.2833, -0.8128] },
	{ a: [1.359, 1.681], b: [-0.2279, -1.6803] },
	{ a: [1.6897, 1.337], b: [-1.331, 0.4643] },
];

/** The model after `steps` steps of gradient descent on a client's function. */
export function descended(client: number, start: ArrayLike<number>, steps: number, rate: number): number[] {
	const { a, b } = QUADRATICS[client]!;
	const x = Array.from(start);
	for (let k = 0; k < steps; k++) for (let i = 0; i < x.length; i++) x[i]! -= rate * a[i]! * (x[i]! - b[i]!);
	return x;
}
