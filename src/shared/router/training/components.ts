const SWEEPS = 12;
const ENOUGH = 1e-12;

/** The `count` greatest eigenvectors of the symmetric matrix [n x n], as the columns of a matrix [n x count], the greatest first;
 *  zeros where there are fewer. By Jacobi's rotations: small matrices only. */
export function principalComponents(matrix: Float64Array, n: number, count: number): Float64Array {
	const a = matrix.slice();
	const vectors = new Float64Array(n * n);
	for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
	const trace = Array.from({ length: n }, (_, i) => a[i * n + i]!).reduce((sum, each) => sum + each, 0);
	for (let sweep = 0; sweep < SWEEPS; sweep++) {
		let off = 0;
		for (let p = 0; p < n; p++) {
			for (let q = p + 1; q < n; q++) {
				off += a[p * n + q]! ** 2;
				rotate(a, vectors, n, p, q);
			}
		}
		if (off <= ENOUGH * trace * trace) break;
	}
	const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j]! - a[i * n + i]! || i - j);
	const out = new Float64Array(n * count);
	order.slice(0, count).forEach((from, to) => {
		for (let i = 0; i < n; i++) out[i * count + to] = vectors[i * n + from]!;
	});
	return out;
}

/** Makes the element (p, q) zero (Golub and Van Loan, 8.5.2). */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
	const between = a[p * n + q]!;
	if (between === 0) return;
	const tau = (a[q * n + q]! - a[p * n + p]!) / (2 * between);
	const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
	const c = 1 / Math.sqrt(1 + t * t);
	const s = t * c;
	for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, c, s);
	for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, c, s);
	for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q, c, s);
}

function turn(values: Float64Array, i: number, j: number, c: number, s: number): void {
	const [x, y] = [values[i]!, values[j]!];
	values[i] = c * x - s * y;
	values[j] = s * x + c * y;
}
