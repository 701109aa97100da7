/** Versions that may be collected: all but the newest `keep` and those that somebody still builds on. `inUse` names bases of open
 *  tasks, of pending updates where the rule reads them, and what a version in making is made from. */
export function versionsToDrop(
	versions: readonly number[],
	keep: number,
	inUse: ReadonlySet<number>,
): readonly number[] {
	const newestFirst = [...versions].sort((a, b) => b - a);
	return newestFirst.slice(keep).filter((version) => !inUse.has(version));
}
