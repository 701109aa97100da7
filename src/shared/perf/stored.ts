/** Whether this is what an estimator stored: `length` finite numbers. What comes back from storage may be of an older
 *  version or damaged, and an estimate is not worth failing for. */
export function isNumbers(row: readonly number[] | undefined, length: number): row is readonly number[] {
	return Array.isArray(row) && row.length === length && row.every(Number.isFinite);
}
