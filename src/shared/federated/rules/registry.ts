import * as z from "zod";
import type { Problem } from "../../catalog/problems.ts";
import { fedasync } from "./fedasync.ts";
import { fedavg } from "./fedavg.ts";
import { fedbuff } from "./fedbuff.ts";
import { fedfix } from "./fedfix.ts";
import { fednova } from "./fednova.ts";
import { median } from "./median.ts";
import { multikrum } from "./multikrum.ts";
import { qfedavg } from "./qfedavg.ts";
import type { Rule, RuleKind, RunShape } from "./rule.ts";
import { trimmedMean } from "./trimmed-mean.ts";

/** A rule is one file and its line here. */
const KINDS = [fedavg, fedbuff, fedasync, fedfix, fednova, qfedavg, median, trimmedMean, multikrum] as const;

type Schemas<Kinds extends readonly unknown[]> = {
	[I in keyof Kinds]: Kinds[I] extends RuleKind<infer Schema> ? Schema : never;
};
const schemas = KINDS.map(({ schema }) => schema) as unknown as Schemas<typeof KINDS>;

export const ruleSchema = z.discriminatedUnion("name", schemas);
export type RuleParameters = z.output<typeof ruleSchema>;

export function makeRule(parameters: RuleParameters): Rule {
	return kindOf(parameters).make(parameters);
}

export function checkRule(parameters: RuleParameters, run: RunShape): readonly Problem[] {
	return kindOf(parameters).check?.(parameters, run) ?? [];
}

function kindOf({ name }: RuleParameters): RuleKind<z.ZodType<RuleParameters>> {
	const kind = KINDS.find(({ schema }) => schema.shape.name.value === name);
	return kind as unknown as RuleKind<z.ZodType<RuleParameters>>;
}
