import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { gunzip } from "node:zlib";
import { cardName } from "../src/shared/router/training/card-name.ts";
import type { Outcome } from "../src/shared/router/training/outcome.ts";
import { parseOutcomes } from "../src/shared/router/training/parse.ts";
import { parsePrices, withPrices } from "../src/shared/router/training/prices.ts";
import { reportOn, type PoolReport } from "../src/shared/router/training/report.ts";
import { TRAIN, trainWeights } from "../src/shared/router/training/train.ts";
import { WEIGHTS_BYTES_MAX } from "../src/shared/router/weights/layout.ts";
import { readWeights } from "../src/shared/router/weights/read.ts";
import { writeWeights } from "../src/shared/router/weights/write.ts";

const USAGE = `usage: npm run train-router -- --data FILE... [--out FILE] [--seed N] [--prices FILE] [--models NAME,NAME...]

  --data FILE    outcomes, .jsonl or .jsonl.gz; each file is one pool of models that were asked the same prompts
  --out FILE     write the weights there (default: only the report)
  --seed N       of the split and of training (default 1)
  --prices FILE  JSON: { model: { input, output } }, USD per million tokens, for outcomes that do not tell their cost
  --models LIST  names that must occur; any other is an error`;

/** Data files may hold so much once they are unpacked. */
const FILE_BYTES_MAX = 1_000_000_000;

/** `npm run train-router`: makes a weights file and prints what it is worth. Status 1 for data that it cannot use, 2 for
 *  wrong arguments. */
try {
	await main();
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode ||= 1;
}

async function main(): Promise<void> {
	const options = readOptions();
	if (!options) {
		console.error(USAGE);
		process.exitCode = 2;
		return;
	}
	const models = options.models ? new Set(options.models.map(cardName)) : null;
	let outcomes: Outcome[] = [];
	for (const file of options.data) outcomes.push(...(await readFileOutcomes(file, models)));
	for (const model of models ?? []) {
		if (!outcomes.some(({ scores }) => scores.has(model)))
			throw new Error(`${model}: no line of the data measures it.`);
	}
	if (options.prices) {
		const prices = parsePrices(await readFile(options.prices, "utf8"));
		if (!prices.ok) throw new Error(`${options.prices}: ${prices.error}`);
		outcomes = withPrices(outcomes, prices.value);
	}
	const say = (text: string) => console.error(text);
	say("the report's own split");
	const { pools } = reportOn(outcomes, options.seed, TRAIN, say);
	console.log(reportText(pools));
	if (options.out === null) return;
	say("all data");
	const bytes = writeWeights(trainWeights(outcomes, options.seed, TRAIN, say).weights);
	const read = readWeights(bytes);
	if (!read.ok)
		throw new Error(
			`These weights would not be read (${JSON.stringify(read.error)}; at most ${WEIGHTS_BYTES_MAX} bytes).`,
		);
	await mkdir(dirname(resolve(options.out)), { recursive: true });
	await writeFile(options.out, bytes);
	console.log(
		`\n${options.out}: ${bytes.byteLength} bytes, version ${read.value.version}, ${read.value.models.length} models, ${read.value.domains.length} domains`,
	);
}

function readOptions() {
	try {
		const { values, positionals } = parseArgs({
			options: {
				data: { type: "string", multiple: true },
				out: { type: "string" },
				seed: { type: "string", default: "1" },
				prices: { type: "string" },
				models: { type: "string" },
			},
			allowPositionals: true,
		});
		// `--data a b`: the shell's wildcard makes one option of many names.
		const data = [...(values.data ?? []), ...positionals];
		const seed = Number(values.seed);
		if (values.data === undefined || !/^\d{1,9}$/.test(values.seed)) return null;
		return {
			data,
			seed,
			out: values.out ?? null,
			prices: values.prices ?? null,
			models: values.models?.split(",") ?? null,
		};
	} catch {
		return null;
	}
}

async function readFileOutcomes(file: string, models: ReadonlySet<string> | null): Promise<Outcome[]> {
	let bytes = await readFile(file);
	if (file.endsWith(".gz")) {
		bytes = await promisify(gunzip)(bytes, { maxOutputLength: FILE_BYTES_MAX }).catch((error: Error) => {
			throw new Error(`${file}: ${error.message}`);
		});
	}
	if (bytes.byteLength > FILE_BYTES_MAX) throw new Error(`${file}: over ${FILE_BYTES_MAX} bytes.`);
	const pool = basename(file).replace(/\.jsonl(\.gz)?$/, "");
	// Some editors put a byte order mark before the first line.
	const parsed = parseOutcomes(bytes.toString("utf8").replace(/^\uFEFF/, ""), { file, pool, models });
	if (parsed.ok) return parsed.value;
	const { line, code, message } = parsed.error;
	throw new Error(`${file}:${line}: ${code}: ${message}`);
}

function reportText(pools: readonly PoolReport[]): string {
	const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
	return pools
		.map((pool) => {
			const floors = pool.floors.map(
				({ floor, quality, saving }) =>
					`  floor ${percent(floor)}: ${percent(quality)} of the best model's quality, ${percent(saving)} cheaper`,
			);
			return [
				`${pool.pool}: ${pool.prompts} prompts that were not trained on`,
				`  quality ${pool.quality.toFixed(4)}; best single model ${pool.bestSingle.toFixed(4)}; oracle ${pool.oracle.toFixed(4)}`,
				`  ECE ${pool.ece.toFixed(4)}; Brier ${pool.brier.toFixed(4)}; domain accuracy ${percent(pool.domainAccuracy)}; in domain ${percent(pool.inDomain)}`,
				...floors,
			].join("\n");
		})
		.join("\n");
}
