export interface Sample {
	/** Features in [0, 1]. */
	readonly x: Float32Array;
	readonly label: number;
}

/** Samples of few labels a client: sorted by label and cut into twice as many shards as there are clients; client c has the
 *  shards c and c + clients. */
export function skewed(samples: readonly Sample[], clients: number): readonly (readonly Sample[])[] {
	const sorted = [...samples].sort((a, b) => a.label - b.label);
	const shards = split(sorted, 2 * clients);
	return Array.from({ length: clients }, (_, c) => [...shards[c]!, ...shards[c + clients]!]);
}

/** The first parts are one longer where it does not come out even. */
function split<T>(all: readonly T[], parts: number): readonly (readonly T[])[] {
	const short = Math.floor(all.length / parts);
	const longer = all.length % parts;
	let at = 0;
	return Array.from({ length: parts }, (_, i) => all.slice(at, (at += short + (i < longer ? 1 : 0))));
}
