import { BytesPerToken } from "../perf/bytes-per-token.ts";
import { OutputLengths } from "../perf/output-length.ts";
import { snapshotReplicaModel, type ReplicaSnapshot } from "../perf/replica-model.ts";
import { RoundTrips } from "../perf/round-trip.ts";
import type { Fleet } from "./fleet.ts";
import type { ReplicaName } from "./messages.ts";

/** What one scheduler learns that is not of a single replica. */
export interface Estimators {
	readonly roundTrips: RoundTrips;
	readonly outputLengths: OutputLengths;
	readonly bytesPerToken: BytesPerToken;
}

/** Everything that a scheduler has learned, as plain JSON: what is kept over an eviction. Losing it costs accuracy for some
 *  minutes and nothing else. */
export interface LearnedState {
	readonly replicas: Readonly<Record<ReplicaName, LearnedReplica>>;
	readonly roundTrips: ReturnType<RoundTrips["snapshot"]>;
	readonly outputLengths: ReturnType<OutputLengths["snapshot"]>;
	readonly bytesPerToken: ReturnType<BytesPerToken["snapshot"]>;
}

/** A replica is the same one only while it stays at its URL. */
export interface LearnedReplica {
	readonly baseUrl: string;
	readonly model: ReplicaSnapshot;
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

export function learnedState(fleet: Fleet, estimators: Estimators): LearnedState {
	const replicas = fleet.replicas.map(({ entry, model }) => [
		entry.name,
		{ baseUrl: entry.baseUrl, model: snapshotReplicaModel(model) },
	]);
	return {
		replicas: Object.fromEntries(replicas) as LearnedState["replicas"],
		roundTrips: estimators.roundTrips.snapshot(),
		outputLengths: estimators.outputLengths.snapshot(),
		bytesPerToken: estimators.bytesPerToken.snapshot(),
	};
}
