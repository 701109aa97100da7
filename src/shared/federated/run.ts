/** The plain data of a run, row by row. Functions beside this file decide on it; the run's object stores it. */
import type { Seconds } from "../units.ts";

export type RunState = "open" | "running" | "paused" | "finished" | "cancelled";

/** Why a run stands still. `too_few_updates`: an extended round had fewer than it needs. `flush_failed`: its rule had no
 *  finite answer for the updates that were pending. */
export type PauseReason = "asked" | "too_few_updates" | "flush_failed";

/** A version that is being made: first, for some rules, the inner products of its updates, then their sum. */
export interface Making {
	readonly version: number;
	readonly kind: "flush" | "rollback";
	readonly phase: "gram" | "sum";
	readonly frozenAt: Seconds;
}

/** The one row of a run that everything else is decided by. */
export interface Run {
	readonly state: RunState;
	readonly pauseReason: PauseReason | null;
	/** While it is paused, since when. */
	readonly pausedAt: Seconds | null;
	/** Newest version that every shard has; 0 is the initial weights, null until they are there. */
	readonly version: number | null;
	/** Optimiser steps in the history of `version`. */
	readonly step: number;
	/** The round whose updates are being gathered; from 1 on. A flush ends it. */
	readonly round: number;
	/** When its clock was started. */
	readonly openedAt: Seconds;
	/** When the flush rule has to be asked again without an update having come; null: never. */
	readonly deadline: Seconds | null;
	/** The round's deadline has been put off once. */
	readonly extended: boolean;
	readonly making: Making | null;
}

export interface Member {
	readonly client: string;
	readonly state: "active" | "expelled";
	/** From its invitation. */
	readonly weightCap: number | null;
	/** What its last update weighed. */
	readonly weight: number | null;
	readonly loss: number | null;
	/** Running mean over `turnarounds` of the seconds from task to commit. */
	readonly turnaround: Seconds | null;
	readonly turnarounds: number;
}

/** Work that a client was given. At most one is open for each client; its id is that of the update. */
export interface Task {
	readonly id: string;
	readonly client: string;
	readonly round: number;
	/** Version to train from. */
	readonly base: number;
	readonly issuedAt: Seconds;
	readonly deadline: Seconds;
	/** Its time was over, and the shards were told to forget what came for it: it counts again only once it is given again. */
	readonly released: boolean;
}

/** An update that was committed, and not refused. */
export interface PendingUpdate {
	readonly id: string;
	readonly client: string;
	readonly round: number;
	readonly base: number;
	readonly weight: number;
	readonly steps: number | null;
	readonly loss: number | null;
	readonly squaredNorm: number;
	readonly turnaround: Seconds;
}

/** Ids of updates: sums run in their order, by UTF-16 code units. A client has one update a round. */
export function updateId(round: number, client: string): string {
	return `up_${round}_${client}`;
}

/** The version that a flush would start from now: the newest, or the one that is being made. */
export function nextParent({ version, making }: Run): number {
	return making?.version ?? version ?? 0;
}
