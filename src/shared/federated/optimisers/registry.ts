import * as z from "zod";
import { adagrad } from "./adagrad.ts";
import { adam } from "./adam.ts";
import type { OptimiserKind, ServerOptimiser } from "./optimiser.ts";
import { sgd } from "./sgd.ts";
import { yogi } from "./yogi.ts";

/** A server optimiser is one file and its line here. */
const KINDS = [sgd, adagrad, adam, yogi] as const;

type Schemas<Kinds extends readonly unknown[]> = {
	[I in keyof Kinds]: Kinds[I] extends OptimiserKind<infer Schema> ? Schema : never;
};
const schemas = KINDS.map(({ schema }) => schema) as unknown as Schemas<typeof KINDS>;

export const optimiserSchema = z.discriminatedUnion("name", schemas);
export type OptimiserParameters = z.output<typeof optimiserSchema>;

export function makeOptimiser(parameters: OptimiserParameters): ServerOptimiser {
	const kind = KINDS.find(({ schema }) => schema.shape.name.value === parameters.name);
	return (kind as unknown as OptimiserKind<z.ZodType<OptimiserParameters>>).make(parameters);
}
