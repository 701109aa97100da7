import type { Outcome } from "./outcome.ts";

/** The names that outcomes have, as indices: sorted, so that the order of lines does not matter. */
export interface Space {
	readonly models: readonly string[];
	readonly domains: readonly string[];
	readonly pools: readonly { readonly name: string; readonly models: readonly number[] }[];
	/** By domain. */
	readonly poolOf: Uint8Array;
}

/** Outcomes as arrays. */
export interface Table {
	readonly prompts: readonly string[];
	readonly domain: Int32Array;
	readonly pool: Int32Array;
	/** [n x M]: NaN where it was not measured. */
	readonly scores: Float32Array;
	/** [n x M]: NaN where it is unknown. */
	readonly outputTokens: Float32Array;
}

export function spaceOf(outcomes: readonly Outcome[]): Space {
	const models = sorted(outcomes.flatMap(({ scores }) => [...scores.keys()]));
	const domains = sorted(outcomes.map(({ domain }) => domain));
	const names = sorted(outcomes.map(({ pool }) => pool));
	const asked = names.map(() => new Set<string>());
	const poolOf = new Uint8Array(domains.length);
	for (const { pool, domain, scores } of outcomes) {
		const index = names.indexOf(pool);
		poolOf[domains.indexOf(domain)] = index;
		for (const model of scores.keys()) asked[index]!.add(model);
	}
	const pools = names.map((name, i) => ({
		name,
		models: [...asked[i]!].map((model) => models.indexOf(model)).sort((a, b) => a - b),
	}));
	return { models, domains, pools, poolOf };
}

export function tableOf(outcomes: readonly Outcome[], { models, domains, pools }: Space): Table {
	const scores = new Float32Array(outcomes.length * models.length).fill(Number.NaN);
	const outputTokens = scores.slice();
	const names = pools.map(({ name }) => name);
	const column = new Map(models.map((model, i) => [model, i]));
	const domainIndex = new Map(domains.map((domain, i) => [domain, i]));
	outcomes.forEach((outcome, i) => {
		for (const [model, score] of outcome.scores) scores[i * models.length + column.get(model)!] = score;
		for (const [model, tokens] of outcome.outputTokens) {
			const at = column.get(model);
			if (at !== undefined) outputTokens[i * models.length + at] = tokens;
		}
	});
	return {
		prompts: outcomes.map(({ prompt }) => prompt),
		domain: Int32Array.from(outcomes, ({ domain }) => domainIndex.get(domain)!),
		pool: Int32Array.from(outcomes, ({ pool }) => names.indexOf(pool)),
		scores,
		outputTokens,
	};
}

function sorted(names: readonly string[]): string[] {
	return [...new Set(names)].sort();
}
