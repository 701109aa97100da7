/** Calls back for each coordinate with its values from all rows in ascending order. The array is the same at every call. */
export function sortedColumns(
	rows: readonly ArrayLike<number>[],
	length: number,
	each: (at: number, sorted: Float64Array) => void,
): void {
	const column = new Float64Array(rows.length);
	for (let at = 0; at < length; at++) {
		// Insertion: up to 64 values.
		for (let i = 0; i < rows.length; i++) {
			const value = rows[i]![at]!;
			let j = i;
			for (; j > 0 && column[j - 1]! > value; j--) column[j] = column[j - 1]!;
			column[j] = value;
		}
		each(at, column);
	}
}
