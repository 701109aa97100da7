/** How well a score tells which prompts need the strong model. */
export interface StrongWeak {
	/** Mean share of the quality gap recovered over all shares of strong calls (RouteLLM's APGR, exact instead of by ten
	 *  thresholds); 0.5 is chance. */
	readonly apgr: number;
	/** Least percentage of strong calls that recovers half, and 80 percent, of the gap. */
	readonly cpt50: number;
	readonly cpt80: number;
}

export interface Pair {
	/** Higher: rather the strong model. */
	readonly score: number;
	readonly strong: number;
	readonly weak: number;
}

/** Prompts of equal scores are taken in no order: their gain is spread evenly. */
export function judgePairs(pairs: readonly Pair[]): StrongWeak {
	const sorted = pairs.toSorted((a, b) => b.score - a.score);
	const gap = sorted.reduce((sum, { strong, weak }) => sum + strong - weak, 0);
	const n = sorted.length;
	let [area, gained, at] = [0, 0, 0];
	const reached = { half: Number.NaN, most: Number.NaN };
	while (at < n) {
		let end = at;
		let gain = 0;
		for (; end < n && sorted[end]!.score === sorted[at]!.score; end++) gain += sorted[end]!.strong - sorted[end]!.weak;
		const [from, to] = [gained / gap, (gained + gain) / gap];
		area += ((end - at) * (from + to)) / 2;
		const shareAt = (level: number) => (100 * (at + ((end - at) * (level - from)) / (to - from))) / n;
		if (Number.isNaN(reached.half) && to >= 0.5) reached.half = shareAt(0.5);
		if (Number.isNaN(reached.most) && to >= 0.8) reached.most = shareAt(0.8);
		gained += gain;
		at = end;
	}
	return { apgr: area / n, cpt50: reached.half, cpt80: reached.most };
}
