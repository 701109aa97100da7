import type { Expectation } from "./expectation.ts";

/** Where load goes, and what it is. */
export interface Aim {
	/** Of who answers, for what is said about it. */
	readonly title: string;
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	readonly expected: Expectation;
}

export interface ClosedJob extends Aim {
	readonly kind: "closed";
	readonly connections: number;
	readonly warmupSeconds: number;
	readonly seconds: number;
}

export interface OpenJob extends Aim {
	readonly kind: "open";
	/** Requests a second. */
	readonly rate: number;
	readonly warmupSeconds: number;
	readonly seconds: number;
	readonly seed: number;
}

/** `good` and `wrong` count answers, the warm-up's included; `example` is what was wrong with one of them. */
interface Outcome {
	readonly good: number;
	readonly wrong: number;
	readonly example: string | null;
}

export interface ClosedOutcome extends Outcome {
	readonly perSecond: number;
}

export interface OpenOutcome extends Outcome {
	/** From when a request was due to the last byte of its answer. Good answers only, without the warm-up. */
	readonly milliseconds: readonly number[];
	/** From when a request was due to when it was written: the generator's own part of that. */
	readonly lags: readonly number[];
	/** Connections that were needed at once. */
	readonly connections: number;
}
