import { err, ok, type Result } from "../result.ts";
import type { Encoding } from "./encoding.ts";
import type { FlushPlan } from "./messages.ts";
import { makeRule } from "./rules/registry.ts";
import type { Coefficients, FlushContext, Gram, UpdateFacts } from "./rules/rule.ts";
import type { PendingUpdate } from "./run.ts";
import type { Specification } from "./specification.ts";

export interface FlushError {
	readonly code: "coefficients_not_finite";
	readonly message: string;
	/** The first update whose coefficient is not finite, where one is. */
	readonly update: string | null;
}

/** The updates of a flush from version `parent`, in id order, whatever order they came in. */
export function flushFacts(pending: readonly PendingUpdate[], parent: number): readonly UpdateFacts[] {
	const facts = pending.map((update) => ({ ...update, staleness: parent - update.base }));
	return facts.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** The coefficients of a flush; null where the rule works on rows. */
export function coefficientsOf(
	{ rule }: Specification,
	updates: readonly UpdateFacts[],
	context: FlushContext,
	gram: Gram | null,
): Result<Coefficients | null, FlushError> {
	const made = makeRule(rule);
	if (made.door === "row") return ok(null);
	const coefficients = made.coefficients(updates, context, gram);
	const bad = coefficients.updates.findIndex((value) => !Number.isFinite(value));
	if (bad < 0 && coefficients.bases.every(([, value]) => Number.isFinite(value))) return ok(coefficients);
	const update = updates[bad]?.id ?? null;
	return err({
		code: "coefficients_not_finite",
		update,
		message: `${rule.name} has no finite weight for update ${update}`,
	});
}

/** What the shards are told to do. */
export function flushPlan(
	specification: Specification,
	updates: readonly (UpdateFacts & { readonly encoding: Encoding })[],
	coefficients: Coefficients | null,
	{ version, parent, step }: Pick<FlushPlan, "version" | "parent" | "step">,
): FlushPlan {
	return {
		version,
		parent,
		step,
		updates: updates.map(({ id, encoding }, i) => ({ id, encoding, coefficient: coefficients?.updates[i] ?? null })),
		bases: coefficients?.bases ?? [],
		rule: specification.rule,
		optimiser: specification.server_optimiser,
	};
}
