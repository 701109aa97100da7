import type { Encoding } from "../src/shared/federated/encoding.ts";
import type { FlushPlan, PlannedUpdate } from "../src/shared/federated/messages.ts";

/** What a shard is a part of. Rows are numbered in their model. */
export interface ShardPlace {
	readonly run: string;
	readonly shard: number;
	/** Its first parameter, and one past its last. */
	readonly begin: number;
	readonly end: number;
}

/** A part of an update that is about to come, whole rows of this shard. */
export interface PartPlace {
	readonly update: string;
	readonly part: number;
	readonly encoding: Encoding;
	readonly begin: number;
	readonly end: number;
}

/** A part that is here whole. */
export interface StagedPart {
	readonly part: number;
	readonly encoding: Encoding;
	/** SHA-256 of its bytes, hex. */
	readonly digest: string;
	/** Sum of the squares of its values. */
	readonly squareNorm: number;
	/** A committed update's parts do not change any more. */
	readonly sealed: boolean;
}

export type RowsReply =
	| { readonly ok: true }
	/** `index`: of the parameter, in its model. */
	| { readonly ok: false; readonly fault: "not_finite"; readonly index: number }
	| { readonly ok: false; readonly fault: "upload_gone" };

export type SealReply =
	/** The sum of squares of each of its rows here, in order. */
	| { readonly ok: true; readonly rowNorms: Float64Array }
	/** Parts that are not here, or are here with other bytes. */
	| { readonly ok: false; readonly missing: readonly number[] };

/** How far a shard is with a version. */
export type VersionProgress =
	| { readonly state: "unknown" }
	| { readonly state: "making"; readonly rowsLeft: number }
	/** The SHA-256 of each of its rows, one behind the other. */
	| { readonly state: "made"; readonly rowDigests: Uint8Array }
	| { readonly state: "failed"; readonly fault: string };

/** How far a shard is with the inner products of a flush's updates over its parameters. */
export type GramProgress =
	| { readonly state: "unknown" }
	| { readonly state: "summing"; readonly rowsLeft: number }
	/** Row-major n x n, in id order. */
	| { readonly state: "summed"; readonly products: Float64Array }
	| { readonly state: "failed"; readonly fault: string };

/** One turn of a shard's work for a version. `ended`: it is done, or has failed. */
export interface Slice {
	readonly of: "version" | "gram";
	readonly version: number;
	readonly attempt: number;
	readonly ended: boolean;
}

/** How a version is made: a sum and a step, or a copy of an older one with its optimiser state. */
export type MakingPlan =
	| ({ readonly kind: "flush" } & FlushPlan)
	| { readonly kind: "copy"; readonly from: number }
	| { readonly kind: "initial" };

/** An update whose inner products with others are wanted. */
export type GramUpdate = Pick<PlannedUpdate, "id" | "encoding">;

/** The part was here already, or else the number under which its rows are to come. */
export type OpenReply = { readonly found: StagedPart } | { readonly upload: number };

/** What others call. Every call may be repeated. */
export interface ShardPort {
	create(place: ShardPlace): Promise<void>;
	putInitialRow(epoch: number, row: number, bytes: Uint8Array, digest: ArrayBuffer): Promise<boolean>;
	initialRows(epoch: number): Promise<readonly number[]>;
	finishInitial(epoch: number): Promise<VersionProgress>;
	open(place: PartPlace, digest: string): Promise<OpenReply>;
	putRows(upload: number, row: number, bytes: Uint8Array): Promise<RowsReply>;
	close(upload: number, digest: string | null): Promise<StagedPart | null>;
	parts(update: string): Promise<readonly StagedPart[]>;
	seal(
		update: string,
		encoding: Encoding,
		digests: readonly (readonly [part: number, digest: string])[],
	): Promise<SealReply>;
	unseal(update: string): Promise<void>;
	release(updates: readonly string[], call: number): Promise<void>;
	partRow(update: string, encoding: Encoding, begin: number): Promise<Uint8Array | null>;
	gram(version: number, attempt: number, updates: readonly GramUpdate[]): Promise<GramProgress>;
	make(version: number, attempt: number, plan: MakingPlan): Promise<VersionProgress>;
	rows(version: number, row: number, count: number, state?: number | null): Promise<Uint8Array | null>;
	keepOnly(versions: readonly number[], newest: number): Promise<void>;
	drop(version: number, attempt: number): Promise<void>;
	destroy(): Promise<void>;
}
