import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import { parseOutcomes } from "../../src/shared/router/training/parse.ts";
import { withPrices } from "../../src/shared/router/training/prices.ts";
import { splitByKey } from "../../src/shared/router/training/split.ts";
import { PRICES } from "./prices.ts";

const EVAL_SHARE = 0.2;
/** Of the development keys, when little work is wanted. */
const QUICK_SHARE = 0.35;

export interface Sides {
	readonly dev: Outcome[];
	readonly judged: Outcome[];
}

export interface Source {
	readonly dev: string;
	/** Null: a fifth of `dev`, by keys. */
	readonly eval: string | null;
	readonly quick: boolean;
	readonly seed: number;
}

/** What may be learned from and what is judged on, of the file `name`. Prompts that RouteLLM lists as contaminated are left out,
 *  as in its paper. */
export async function readSides(name: string, source: Source): Promise<Sides> {
	const all = await readOutcomes(source.dev, name);
	const [most, fifth] = source.eval === null ? splitByKey(all, EVAL_SHARE, "evaluation", source.seed) : [all, null];
	const judged = fifth ?? (await readOutcomes(source.eval!, name));
	return { dev: source.quick ? splitByKey(most, QUICK_SHARE, "quick", source.seed)[1] : most, judged };
}

export function pathOf(directory: string, name: string): string {
	return join(directory, `${name}.jsonl.gz`);
}

export async function readOutcomes(directory: string, name: string): Promise<Outcome[]> {
	const file = pathOf(directory, name);
	const text = (await promisify(gunzip)(await readFile(file))).toString("utf8");
	const clean = text.split("\n").filter((line) => !line.includes('"contaminated":true'));
	const parsed = parseOutcomes(clean.join("\n"), { pool: name, file, models: null });
	if (!parsed.ok) throw new Error(`${file}:${parsed.error.line}: ${parsed.error.message}`);
	return withPrices(parsed.value, PRICES);
}
