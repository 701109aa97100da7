/** What chance makes of a choice. */
export interface Drawn<T> {
	/** The one that is tried first, and then the others in turn. */
	readonly order: readonly T[];
	/** P(this one was to be tried first). */
	readonly propensity: number;
	readonly explored: boolean;
}

/** Leaves nothing to chance: the choice stands as it is. */
export function draw<T>(order: readonly T[]): Drawn<T> {
	return { order, propensity: 1, explored: false };
}
