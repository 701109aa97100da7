import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { splitByKey } from "../../src/shared/router/training/split.ts";
import { TRAIN, type TrainSettings } from "../../src/shared/router/training/train.ts";
import type { Findings } from "../lib/result.ts";
import { estimatorFit } from "./cascade-fit.ts";
import { cascadeFindings, type CascadeRow } from "./cascades.ts";

/** Where the data is; `eval` null: a fifth of `dev`, by keys, is judged. */
export interface CascadeSource {
	readonly dev: string;
	readonly eval: string | null;
	readonly quick: boolean;
	readonly seed: number;
}

const FILE = "zeroeval.jsonl.gz";
const EVAL_SHARE = 0.2;
/** Of the development keys, when little work is wanted. */
const QUICK_SHARE = 0.35;
const QUICK: TrainSettings = { ...TRAIN, epochs: 2, grams: 1_024, width: 16, anchors: 200 };
const FOLDS = { full: 3, quick: 2 } as const;

/** Rows and targets of the cascade, for the table of the router's benchmark. */
export async function cascadeRows(source: CascadeSource, say: (text: string) => void): Promise<Findings> {
	say("cascades");
	const all = await read(source.dev);
	const [most, fifth] =
		source.eval === null ? split(all, EVAL_SHARE, "evaluation", source.seed) : [all, await read(source.eval)];
	const dev = source.quick ? split(most, QUICK_SHARE, "quick", source.seed)[1] : most;
	const fit = estimatorFit(source.seed, source.quick ? QUICK : TRAIN);
	const { rows, targets, note } = cascadeFindings(dev, fifth, fit, FOLDS[source.quick ? "quick" : "full"]);
	return { rows, targets, notes: [note] };
}

/** By keys, as all of the benchmark's data is. */
function split(
	rows: readonly CascadeRow[],
	share: number,
	purpose: string,
	seed: number,
): readonly [CascadeRow[], CascadeRow[]] {
	const outcomes = rows.map(({ key, prompt, domain }) => ({
		key,
		prompt,
		domain,
		pool: "",
		scores: new Map<string, number>(),
		outputTokens: new Map<string, number>(),
		usd: new Map<string, number>(),
	}));
	const keys = new Set(splitByKey(outcomes, share, purpose, seed)[1].map(({ key }) => key));
	return [rows.filter(({ key }) => !keys.has(key)), rows.filter(({ key }) => keys.has(key))];
}

async function read(directory: string): Promise<CascadeRow[]> {
	const text = (await promisify(gunzip)(await readFile(join(directory, FILE)))).toString("utf8");
	return text
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as CascadeRow);
}
