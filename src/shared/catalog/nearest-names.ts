/** More typing errors than this are another name. Also bounds the work that an unknown name can cause. */
const EDITS_MAX = 4;
const NAME_LENGTH_MAX = 160;

/** The names most like `name`, nearest first: those within a few typing errors (a third of the name's length, at most four;
 *  letter case is free), then those of which `name` is a part (`llama-3.1` for `llama-3.1-8b`). */
export function nearestNames(name: string, names: Iterable<string>, max = 3): string[] {
	const wanted = name.slice(0, NAME_LENGTH_MAX).toLowerCase();
	const bound = Math.min(EDITS_MAX, Math.max(1, Math.floor(wanted.length / 3)));
	const found: { readonly name: string; readonly rank: number }[] = [];
	for (const candidate of new Set(names)) {
		const other = candidate.slice(0, NAME_LENGTH_MAX).toLowerCase();
		const distance = editDistance(wanted, other, bound);
		if (distance <= bound) found.push({ name: candidate, rank: distance });
		else if (isPart(wanted, other)) found.push({ name: candidate, rank: EDITS_MAX + other.length });
	}
	found.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
	return found.slice(0, max).map((near) => near.name);
}

/** `; did you mean "a" or "b"?`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
	const near = nearestNames(name, names);
	return near.length === 0 ? "" : `; did you mean ${near.map((each) => JSON.stringify(each)).join(" or ")}?`;
}

/** Edits (insert, delete, replace, swap of neighbours) from `a` to `b`: the optimal string alignment distance, by dynamic
 *  programming over the diagonal band that `bound` leaves. `bound + 1` stands for every distance over the bound. */
export function editDistance(a: string, b: string, bound: number): number {
	const over = bound + 1;
	if (Math.abs(a.length - b.length) > bound) return over;
	let before: number[] = [];
	let previous = Array.from({ length: b.length + 1 }, (_, column) => Math.min(column, over));
	for (let row = 1; row <= a.length; row++) {
		const current = Array.from({ length: b.length + 1 }, () => over);
		if (row <= bound) current[0] = row;
		let least = current[0] ?? over;
		for (let column = Math.max(1, row - bound); column <= Math.min(b.length, row + bound); column++) {
			const same = a[row - 1] === b[column - 1];
			let edits = Math.min(
				(previous[column] ?? over) + 1,
				(current[column - 1] ?? over) + 1,
				(previous[column - 1] ?? over) + (same ? 0 : 1),
			);
			if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
				edits = Math.min(edits, (before[column - 2] ?? over) + 1);
			}
			current[column] = Math.min(edits, over);
			least = Math.min(least, edits);
		}
		// Neighbouring rows differ by one at most, so a swap, which looks two rows back, does not get below it again either.
		if (least > bound) return over;
		before = previous;
		previous = current;
	}
	return previous[b.length] ?? over;
}

function isPart(wanted: string, other: string): boolean {
	return wanted.length >= 3 && other.includes(wanted);
}
