import { makeOptimiser, optimiserSchema } from "../../../src/shared/federated/optimisers/registry.ts";
import { makeRule, ruleSchema } from "../../../src/shared/federated/rules/registry.ts";
import type {
	CoefficientRule,
	FlushContext,
	Gram,
	RowRule,
	UpdateFacts,
} from "../../../src/shared/federated/rules/rule.ts";

export const CONTEXT: FlushContext = { populationWeight: 1, interval: null };

export function facts(update: Partial<UpdateFacts>): UpdateFacts {
	return {
		id: "up_1_a",
		client: "a",
		base: 0,
		staleness: 0,
		weight: 1,
		steps: null,
		loss: null,
		squaredNorm: 0,
		turnaround: 0,
		...update,
	};
}

/** A rule of the first door, from what a specification says of it. */
export function coefficientRule(parameters: object): CoefficientRule {
	const rule = makeRule(ruleSchema.parse(parameters));
	if (rule.door !== "coefficients") throw new Error("not a rule of coefficients");
	return rule;
}

export function rowRule(parameters: object): RowRule {
	const rule = makeRule(ruleSchema.parse(parameters));
	if (rule.door !== "row") throw new Error("not a rule of rows");
	return rule;
}

export function optimiser(parameters: object) {
	return makeOptimiser(optimiserSchema.parse(parameters));
}

/** A server in Float64, for references that are: each flush takes updates and steps. */
export class Float64Server {
	readonly model: Float64Array;
	readonly #rule: object;
	readonly #optimiser: ReturnType<typeof optimiser>;
	readonly #state: readonly Float64Array[];
	readonly #versions: Float64Array[];

	constructor(initial: readonly number[], rule: object, parameters: object) {
		this.model = Float64Array.from(initial);
		this.#rule = rule;
		this.#optimiser = optimiser(parameters);
		this.#state = this.#optimiser.initialState.map((value) => new Float64Array(initial.length).fill(value));
		this.#versions = [this.model.slice()];
	}

	get version(): number {
		return this.#versions.length - 1;
	}

	/** What a client sends that came from `base` to `model`. */
	update(model: readonly number[], base = this.version): Float64Array {
		return Float64Array.from(model, (value, i) => value - this.#versions[base]![i]!);
	}

	flush(updates: readonly (Partial<UpdateFacts> & { readonly values: Float64Array })[]): void {
		const delta = new Float64Array(this.model.length);
		const known = updates.map((update) => facts({ base: this.version, staleness: 0, ...update }));
		const rule = makeRule(ruleSchema.parse(this.#rule));
		if (rule.door === "row")
			rule.combine(
				updates.map(({ values }) => values),
				delta,
			);
		else {
			const gram = rule.needs.gram ? gramOf(updates.map(({ values }) => values)) : null;
			const coefficients = rule.coefficients(known, CONTEXT, gram);
			const add = (c: number, values: ArrayLike<number>) => delta.forEach((_, i) => (delta[i]! += c * values[i]!));
			updates.forEach(({ values }, i) => add(coefficients.updates[i]!, values));
			for (const [base, c] of coefficients.bases) {
				add(
					c,
					this.#versions[base]!.map((value, i) => value - this.model[i]!),
				);
			}
		}
		this.#optimiser.step({ model: this.model, delta, state: this.#state, step: this.version + 1 });
		this.#versions.push(this.model.slice());
	}
}

/** Inner products in Float64. */
export function gramOf(rows: readonly ArrayLike<number>[]): Gram {
	const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
		Array.from(a, (v, i) => v * b[i]!).reduce((s, v) => s + v, 0);
	return { n: rows.length, products: Float64Array.from(rows.flatMap((a) => rows.map((b) => dot(a, b)))) };
}

/** The largest relative error. */
export function worstError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
	return Math.max(
		...Array.from(expected, (value, i) => Math.abs(found[i]! - value) / Math.max(Math.abs(value), 1e-12)),
	);
}
