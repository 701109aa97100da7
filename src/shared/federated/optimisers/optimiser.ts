import type * as z from "zod";

/** Production rows are f32; Float64 rows are for comparing with references. */
export type FloatRow = Float32Array | Float64Array;

/** What a step reads and changes: one row, or any piece of one. All arrays have one length. */
export interface StepRow {
	/** Parameters of the version before, changed into those of the next. */
	readonly model: FloatRow;
	/** Combined update. */
	readonly delta: Float64Array;
	/** Moments, changed as well; as many arrays as `initialState` has values. */
	readonly state: readonly FloatRow[];
	/** Which step this is in the history of the model, from 1 on. */
	readonly step: number;
}

/** The third door: an elementwise step from a version to the next, given the combined update. */
export interface ServerOptimiser {
	/** One value for each array of state: what it is filled with before the first step. */
	readonly initialState: readonly number[];
	/** The largest norm of an update that does not stop it, where the specification names none. */
	readonly normMax?: number;
	step(row: StepRow): void;
}

/** One file of this folder. `schema` has the literal `name`. */
export interface OptimiserKind<Schema extends z.ZodType> {
	readonly schema: Schema;
	make(parameters: z.output<Schema>): ServerOptimiser;
}

export function optimiserKind<Schema extends z.ZodType>(kind: OptimiserKind<Schema>): OptimiserKind<Schema> {
	return kind;
}
