import type * as z from "zod";
import type { Problem } from "../../catalog/problems.ts";
import type { Seconds } from "../../units.ts";

/** What a rule may know of an update that counts. */
export interface UpdateFacts {
	readonly id: string;
	readonly client: string;
	/** Version from which the client trained. */
	readonly base: number;
	/** Versions between its base and the one it flows into: 0 where it trained on the newest. */
	readonly staleness: number;
	/** Examples, capped; or 1 where all weigh the same. */
	readonly weight: number;
	/** Local steps; null where the client told none. */
	readonly steps: number | null;
	/** Loss of the base version on the client's data; null where the client told none. */
	readonly loss: number | null;
	/** Of the decoded update, summed as `squaredNorm` and then row after row. */
	readonly squaredNorm: number;
	/** Running mean from task to commit of this client. */
	readonly turnaround: Seconds;
}

/** What a rule may know of the run at a flush. */
export interface FlushContext {
	/** Sum of the weights of all members, of each the last that it committed with. */
	readonly populationWeight: number;
	/** Between flushes, where the run flushes at an interval. */
	readonly interval: Seconds | null;
}

/** Inner products of the updates of a flush, row-major n x n; on the diagonal their squared norms. */
export interface Gram {
	readonly n: number;
	readonly products: Float64Array;
}

/** What an update is to be summed with, in the order in which the updates were given; and with what weight the way from
 *  the present version to an update's base counts (`base - present`), where a rule measures from the present one. */
export interface Coefficients {
	readonly updates: Float64Array;
	readonly bases: readonly (readonly [version: number, coefficient: number])[];
}

/** What clients must tell, or the shards must compute, for a rule. */
export interface RuleNeeds {
	readonly steps?: true;
	readonly losses?: true;
	readonly gram?: true;
	/** It reads the bases of the updates, which have to be kept until the flush. */
	readonly bases?: true;
}

/** First door: one coefficient an update, from what is known of it or from the Gram matrix; the sum is the ordinary one. */
export interface CoefficientRule {
	readonly door: "coefficients";
	readonly needs: RuleNeeds;
	/** `gram` is there if the rule needs it. A result that is not finite ends the flush, not the run. */
	coefficients(updates: readonly UpdateFacts[], context: FlushContext, gram: Gram | null): Coefficients;
}

/** Second door: a function of the same coordinates of all updates. It is called for pieces of a row, so what it does at one
 *  coordinate may depend on nothing else. */
export interface RowRule {
	readonly door: "row";
	readonly needs: RuleNeeds;
	/** `rows[i]` is of update i, in id order; all have the length of `out`. */
	combine(rows: readonly ArrayLike<number>[], out: Float64Array): void;
}

export type Rule = CoefficientRule | RowRule;

/** One file of this folder. `schema` has the literal `name`. */
export interface RuleKind<Schema extends z.ZodType> {
	readonly schema: Schema;
	make(parameters: z.output<Schema>): Rule;
	/** What does not fit together between the rule and how the run flushes. */
	check?(parameters: z.output<Schema>, run: RunShape): readonly Problem[];
}

/** The parts of a specification that a rule may have an opinion on. */
export interface RunShape {
	/** Updates that make a flush; null where the run flushes at an interval. */
	readonly flushCount: number | null;
	/** The fewest that a flush may have. */
	readonly flushCountMin: number;
}

export function ruleKind<Schema extends z.ZodType>(kind: RuleKind<Schema>): RuleKind<Schema> {
	return kind;
}

/** Coefficients of updates that all count from their own base. */
export function fromBase(updates: readonly UpdateFacts[], coefficient: (update: UpdateFacts) => number): Coefficients {
	return { updates: Float64Array.from(updates, coefficient), bases: [] };
}

export function totalWeight(updates: readonly UpdateFacts[]): number {
	return updates.reduce((sum, { weight }) => sum + weight, 0);
}
