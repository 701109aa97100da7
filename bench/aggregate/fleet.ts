import type { Encoding } from "../../src/shared/federated/encoding.ts";

/** A round of a fleet: so many clients, so many rows of parameters. */
export interface Fleet {
	readonly clients: number;
	readonly rows: number;
	/** Of the server; the default is plain SGD, without state. */
	readonly optimiser?: "adam";
	/** Of the updates; the default is f32. */
	readonly encoding?: Encoding;
}

/** What plays a round: a fleet, and the Isobar that it belongs to. */
export interface FleetJob {
	readonly fleet: Fleet;
	readonly url: string;
	/** An API key. */
	readonly key: string;
	/** Of the isolate whose memory is looked at; null: nobody looks. */
	readonly inspectorUrl: string | null;
}

export interface Round {
	/** MB of updates a second, from the first part sent to the last one staged. */
	readonly stageRate: number;
	/** From the last commit to the version. */
	readonly flushSeconds: number;
	/** Most that the isolate held at any look, after collection, over what it held before the run, for each of two shards. Null where
	 *  nobody looked. */
	readonly shardMemory: number | null;
	readonly pulled: number;
	readonly pushed: number;
}
