import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { describeMachine } from "./machine.ts";
import { parseOptions, usage, type BenchOptions, type OptionalInput } from "./options.ts";
import { markdownReport, textReport, type Description } from "./report.ts";
import { measuredOnly, type BenchResult, type Findings } from "./result.ts";
import { replaceSection } from "./section.ts";

export const PROJECT = resolve(import.meta.dirname, "../..");
const DOCUMENT = join(PROJECT, "docs", "benchmarks.md");
const INTRODUCTION = `# Benchmarks

Every figure here was written by the benchmark that its section names (\`npm run bench:NAME\`), on the machine that stands
there. Ratios come from contenders that took turns in one run; they carry over to other machines better than the rest.
`;

/** From this load average on at the start, other work was on the machine. */
const BUSY_LOAD = 1;
const BUSY =
	"The machine had other work when this began: only the ratios mean something, and those not to the second digit.";

export interface Bench extends Description {
	/** Which of the optional inputs it has a use for. */
	readonly uses?: readonly OptionalInput[];
	/** `say` tells the user how far it is. */
	run(options: BenchOptions, say: (text: string) => void): Promise<Findings>;
}

/** Runs a benchmark as its command line asks: prints its table and targets, and writes what was asked for. Ends with status 2
 *  for wrong arguments, 1 when the benchmark fails, and 0 whether or not its targets are met. */
export async function runBench(bench: Bench, args: readonly string[] = process.argv.slice(2)): Promise<void> {
	const options = parseOptions(args, bench.uses);
	if (!options.ok || options.value.help) {
		console[options.ok ? "log" : "error"](
			`${options.ok ? "" : `${options.error}\n\n`}${usage(bench.name, bench.uses ?? [])}`,
		);
		process.exitCode = options.ok ? 0 : 2;
		return;
	}
	try {
		await measure(bench, options.value);
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}

async function measure(bench: Bench, options: BenchOptions): Promise<void> {
	const began = performance.now();
	const about = {
		bench: bench.name,
		commit: await commit(),
		date: new Date().toISOString(),
		quick: options.quick,
		machine: describeMachine(),
		seed: options.seed,
	};
	const { rows, targets, notes } = measuredOnly(await bench.run(options, progress));
	progress("");
	const busy = about.machine.load_average > BUSY_LOAD ? [BUSY] : [];
	const result: BenchResult = { ...about, rows, targets, notes: [...busy, ...notes] };
	console.log(textReport(bench, result));
	if (options.json !== null) {
		await mkdir(dirname(resolve(options.json)), { recursive: true });
		await writeFile(options.json, `${JSON.stringify(result, null, "\t")}\n`);
	}
	if (options.write) {
		const before = existsSync(DOCUMENT) ? await readFile(DOCUMENT, "utf8") : INTRODUCTION;
		await mkdir(dirname(DOCUMENT), { recursive: true });
		await writeFile(DOCUMENT, replaceSection(before, bench.name, markdownReport(bench, result)));
	}
	console.log(`\n${Math.round((performance.now() - began) / 1_000)} s`);
}

/** One line that is written over on a terminal, and nothing elsewhere but what takes long. */
function progress(text: string): void {
	if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
	else if (text !== "") process.stderr.write(`${text}\n`);
}

async function commit(): Promise<string | null> {
	const git = (...args: string[]) => promisify(execFile)("git", args, { cwd: PROJECT });
	try {
		const { stdout: hash } = await git("rev-parse", "--short=12", "HEAD");
		const { stdout: changes } = await git("status", "--porcelain", "--untracked-files=no");
		return hash.trim() + (changes.trim() === "" ? "" : "+changes");
	} catch {
		return null;
	}
}
