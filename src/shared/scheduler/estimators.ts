import { BytesPerToken } from "../perf/bytes-per-token.ts";
import { OutputLengths } from "../perf/output-length.ts";
import { RoundTrips } from "../perf/round-trip.ts";
import type { LearnedState } from "./learned.ts";

/** What one scheduler learns that is not of a single replica. */
export interface Estimators {
	readonly roundTrips: RoundTrips;
	readonly outputLengths: OutputLengths;
	readonly bytesPerToken: BytesPerToken;
}

/** What is kept over an eviction fits into one row. */
const ROWS_MAX = 1_024;

export function createEstimators(learned?: LearnedState): Estimators {
	return {
		roundTrips: new RoundTrips(ROWS_MAX, learned?.roundTrips),
		outputLengths: new OutputLengths(ROWS_MAX, learned?.outputLengths),
		bytesPerToken: new BytesPerToken(ROWS_MAX, learned?.bytesPerToken),
	};
}
