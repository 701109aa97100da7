/** What crosses between clients, a run's object and its shards. */
import type { Encoding } from "./encoding.ts";
import type { OptimiserParameters } from "./optimisers/registry.ts";
import type { RuleParameters } from "./rules/registry.ts";
import type { Seconds } from "../units.ts";

/** What a client says of its update when it commits. */
export interface UpdateReport {
	readonly examples: number;
	/** Local optimiser steps. */
	readonly steps: number | null;
	/** Loss of the base version on its own data. */
	readonly loss: number | null;
}

/** Why an update does not count. Once told, it stays so.
 *  `late`: after its task's deadline. `round_closed`: its round has been flushed, and the run takes none from older rounds.
 *  `too_stale`: more versions lie after its base than the run allows. `expelled`: its client was. `run_closed`: the run is
 *  finished or cancelled. `rolled_back`: the run went back to an older version before it was flushed. */
export type FinalRefusal = "late" | "round_closed" | "too_stale" | "expelled" | "run_closed" | "rolled_back";

/** What a commit, and every later question about the update, is answered. Only `pending` changes, once. */
export type UpdateAnswer =
	| { readonly status: "pending"; readonly round: number; readonly weight: number }
	| { readonly status: "accepted"; readonly round: number; readonly version: number; readonly weight: number }
	| { readonly status: "refused"; readonly reason: FinalRefusal };

/** Why a commit is not decided: nothing is stored, and the client may commit again. */
export type CommitError =
	| { readonly code: "task_unknown"; readonly message: string }
	| { readonly code: "parts_missing"; readonly message: string; readonly missing: number }
	| {
			readonly code: "report_invalid";
			readonly field: "examples" | "steps" | "loss";
			readonly message: string;
			readonly limit?: number;
	  }
	| { readonly code: "norm_too_large"; readonly message: string; readonly norm: number; readonly limit: number };

/** What a flush does, from the run to every shard. The run stores it before it tells anyone; a repeated call changes nothing. */
export interface FlushPlan {
	readonly version: number;
	readonly parent: number;
	/** Optimiser step, from 1 on. */
	readonly step: number;
	/** In id order. The coefficient is null where the rule works on rows. */
	readonly updates: readonly PlannedUpdate[];
	/** Versions of which `base - parent` is added, with their coefficients. */
	readonly bases: readonly (readonly [version: number, coefficient: number])[];
	readonly rule: RuleParameters;
	readonly optimiser: OptimiserParameters;
}

export interface PlannedUpdate {
	readonly id: string;
	readonly encoding: Encoding;
	readonly coefficient: number | null;
}

/** What a client that asks for work is answered. */
export type TaskAnswer =
	| {
			readonly kind: "task";
			readonly id: string;
			readonly round: number;
			readonly base: number;
			readonly deadline: Seconds;
	  }
	/** Ask again, at the latest at `until` (null: when something changes). */
	| { readonly kind: "wait"; readonly reason: WaitReason; readonly until: Seconds | null }
	| { readonly kind: "none"; readonly reason: "expelled" | "run_closed" };

export type WaitReason =
	| "not_started"
	| "paused"
	/** The client's update of this round is pending. */
	| "contributed"
	/** Others were chosen for this round, or enough have a task. */
	| "not_selected"
	/** The version of the next round is being made. */
	| "version_in_making"
	/** As many updates are staged as the shards hold. */
	| "staging_full";
