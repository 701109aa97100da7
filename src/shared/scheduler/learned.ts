import type { BytesPerToken } from "../perf/bytes-per-token.ts";
import type { OutputLengths } from "../perf/output-length.ts";
import type { ReplicaSnapshot } from "../perf/replica-model.ts";
import type { RoundTrips } from "../perf/round-trip.ts";
import type { StoredPoolWarmth } from "../warmth/pool-warmth.ts";
import type { KeptWarmth } from "../warmth/replica-warmth.ts";
import type { ReplicaName } from "./messages.ts";

/** Everything that a scheduler has learned, as plain JSON: what is kept over an eviction. Losing it costs accuracy for some
 *  minutes and nothing else. */
export interface LearnedState {
	readonly replicas: Readonly<Record<ReplicaName, LearnedReplica>>;
	readonly roundTrips: ReturnType<RoundTrips["snapshot"]>;
	readonly outputLengths: ReturnType<OutputLengths["snapshot"]>;
	readonly bytesPerToken: ReturnType<BytesPerToken["snapshot"]>;
	/** By pool, of those that scale to zero; absent in what was kept by older versions. */
	readonly warmth?: Readonly<Record<string, StoredPoolWarmth>>;
}

/** A replica is the same one only while it stays at its URL. */
export interface LearnedReplica {
	readonly baseUrl: string;
	readonly model: ReplicaSnapshot;
	/** How far its cache is believed; absent in what was kept before there was an index of prefixes. */
	readonly cache?: readonly number[];
	/** What was last seen of it, where its pool scales to zero. */
	readonly warmth?: KeptWarmth;
}
