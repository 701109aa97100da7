export interface Point {
	readonly usd: number;
	readonly quality: number;
}

/** RouterBench's AIQ (Hu et al. 2024): mean quality over the costs from `from` to `to` along the non-decreasing convex hull of
 *  the points, which is flat after its best. A cost below the cheapest point has that point's quality. */
export function averageQuality(points: readonly Point[], from: number, to: number): number {
	const hull = upperHull(points);
	const steps = 1_000;
	let sum = 0;
	for (let i = 0; i < steps; i++) sum += qualityAt(hull, from + ((i + 0.5) / steps) * (to - from));
	return sum / steps;
}

function qualityAt(hull: readonly Point[], usd: number): number {
	if (usd <= hull[0]!.usd) return hull[0]!.quality;
	const after = hull.findIndex((point) => point.usd >= usd);
	if (after < 0) return hull.at(-1)!.quality;
	const [a, b] = [hull[after - 1]!, hull[after]!];
	return a.quality + ((usd - a.usd) / (b.usd - a.usd)) * (b.quality - a.quality);
}

/** From the cheapest point to the best, each segment less steep than the one before. */
function upperHull(points: readonly Point[]): Point[] {
	const sorted = points.toSorted((a, b) => a.usd - b.usd || b.quality - a.quality);
	const hull: Point[] = [];
	for (const point of sorted) {
		if (hull.length > 0 && point.quality <= hull.at(-1)!.quality) continue;
		while (hull.length > 1 && slope(hull.at(-2)!, hull.at(-1)!) <= slope(hull.at(-2)!, point)) hull.pop();
		hull.push(point);
	}
	return hull;
}

function slope(a: Point, b: Point): number {
	return b.usd === a.usd ? Number.POSITIVE_INFINITY : (b.quality - a.quality) / (b.usd - a.usd);
}
