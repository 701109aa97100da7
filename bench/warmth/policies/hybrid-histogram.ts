import type { TraceRequest } from "../../replay/trace.ts";
import type { Policy, World } from "../simulate.ts";
import { IdleHistogram, type HistogramOptions } from "./idle-histogram.ts";
import type { PolicySpec } from "./policy.ts";
import { subsetsOf } from "./subsets.ts";
import { WarmFirst, WHEN_COLD, type WarmFirstOptions } from "./warm-first.ts";

/** The paper's percentiles, and narrower ones, which keep boxes for less. */
const PERCENTILES: readonly HistogramOptions[] = [
	{ headPercentile: 5, tailPercentile: 99 },
	{ headPercentile: 5, tailPercentile: 95 },
	{ headPercentile: 5, tailPercentile: 75 },
	{ headPercentile: 5, tailPercentile: 50 },
];

/** The hybrid histogram over the idle times of all traffic, which decides for each box that is used. */
export const hybridHistogram: PolicySpec = {
	id: "hybrid_histogram",
	title: "hybrid histogram",
	variants: (fleet) =>
		PERCENTILES.flatMap((percentiles) =>
			WHEN_COLD.flatMap(({ title: coldTitle, ...whenCold }) =>
				subsetsOf(fleet)
					.slice(1)
					.map(({ title, has }) => ({
						title: `${percentiles.headPercentile}–${percentiles.tailPercentile} %, ${coldTitle}, ${title}`,
						create: (world: World) => new Hybrid(world, { uses: has, whenCold }, percentiles),
					})),
			),
		),
};

class Hybrid extends WarmFirst implements Policy {
	readonly #histogram: IdleHistogram;
	#inFlight = 0;
	#idleSince: number | null = null;
	/** Of the timers that count: those since the last request. */
	#round = 0;

	constructor(world: World, options: WarmFirstOptions, percentiles: HistogramOptions) {
		super(world, options);
		this.#histogram = new IdleHistogram(percentiles);
		for (const box of this.scaling) box.idleTimeout = Infinity;
	}

	override arrive(id: number, request: TraceRequest): void {
		if (this.#idleSince !== null) this.#histogram.observe(this.world.clock.now - this.#idleSince);
		this.#idleSince = null;
		this.#round++;
		this.#inFlight++;
		super.arrive(id, request);
	}

	onEnd(): void {
		if (--this.#inFlight > 0) return;
		const { clock } = this.world;
		const round = ++this.#round;
		this.#idleSince = clock.now;
		const { prewarm, keep } = this.#histogram.windows();
		const later = (seconds: number, act: () => void): void =>
			clock.schedule(clock.now + seconds, () => {
				if (round === this.#round && !this.world.isOver) act();
			});
		// Those that were up come back; the others were not needed.
		const up = this.scaling.filter(({ state }) => state !== "cold");
		if (prewarm > 0) {
			for (const box of up) box.letGo();
			later(prewarm, () => up.forEach((box) => box.wake()));
		}
		later(prewarm + keep, () => this.scaling.forEach((box) => box.letGo()));
	}
}
