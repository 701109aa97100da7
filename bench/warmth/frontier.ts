/** What a policy with one set of parameters costs, in USD per 1,000 requests, and the share of requests that miss the goal. */
export interface CostAndMisses {
	readonly usd: number;
	readonly misses: number;
}

/** Those that no other is at least as good as in both, the cheapest first. */
export function undominated<T>(values: readonly T[], of: (value: T) => CostAndMisses): T[] {
	const byCost = values.toSorted((a, b) => of(a).usd - of(b).usd || of(a).misses - of(b).misses);
	let least = Infinity;
	return byCost.filter((value) => {
		if (of(value).misses >= least) return false;
		least = of(value).misses;
		return true;
	});
}

/** What can be had by taking turns among some points: their lower convex hull, which ends at answering nobody, at the cost of what is
 *  paid in any case. */
export class Frontier {
	/** The cheapest first; misses fall. */
	readonly hull: readonly CostAndMisses[];

	constructor(points: readonly CostAndMisses[], sunkUsd = 0) {
		const hull: CostAndMisses[] = [];
		for (const point of undominated([{ usd: sunkUsd, misses: 1 }, ...points], (each) => each)) {
			while (hull.length >= 2 && !isBelow(hull.at(-1)!, hull.at(-2)!, point)) hull.pop();
			hull.push(point);
		}
		this.hull = hull;
	}

	/** The least cost with at most this share of misses; infinite where none has so few. */
	usdAt(misses: number): number {
		const { hull } = this;
		const next = hull.findIndex((point) => point.misses <= misses);
		if (next < 0) return Infinity;
		const [after, before] = [hull[next]!, hull[next - 1]];
		if (!before) return after.usd;
		return after.usd - ((misses - after.misses) / (before.misses - after.misses)) * (after.usd - before.usd);
	}

	/** The least share of misses at no more than this cost; 1 below all costs. */
	missesAt(usd: number): number {
		const { hull } = this;
		const next = hull.findIndex((point) => point.usd > usd);
		if (next < 0) return hull.at(-1)!.misses;
		const [after, before] = [hull[next]!, hull[next - 1]];
		if (!before) return 1;
		return before.misses - ((usd - before.usd) / (after.usd - before.usd)) * (before.misses - after.misses);
	}
}

/** Whether `point` lies under the line from `a` to `b`. */
function isBelow(point: CostAndMisses, a: CostAndMisses, b: CostAndMisses): boolean {
	return (point.misses - a.misses) * (b.usd - a.usd) < (b.misses - a.misses) * (point.usd - a.usd);
}
