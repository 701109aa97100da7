import { parseArgs } from "node:util";
import { err, ok, type Result } from "../../src/shared/result.ts";

export interface BenchOptions {
	readonly quick: boolean;
	/** Of everything that is drawn at random. */
	readonly seed: number;
	/** File for the result. */
	readonly json: string | null;
	/** Directory for plots, of benchmarks that draw any. */
	readonly plot: string | null;
	/** Directory of the input data, of benchmarks that read any. */
	readonly data: string | null;
	/** Directories of what may be learned from, and of what is judged on, of benchmarks that keep them apart. */
	readonly dev: string | null;
	readonly eval: string | null;
	/** Put the result into docs/benchmarks.md. */
	readonly write: boolean;
	readonly help: boolean;
}

/** The options that not every benchmark has a use for. */
export type OptionalInput = "plot" | "data" | "dev" | "eval";

const SEED_MAX = 2 ** 32 - 1;

/** Reads the arguments of a benchmark that uses the optional ones in `uses`. The error is a sentence for the user. */
export function parseOptions(
	args: readonly string[],
	uses: readonly OptionalInput[] = [],
): Result<BenchOptions, string> {
	let values;
	try {
		({ values } = parseArgs({
			args: [...args],
			options: {
				quick: { type: "boolean", default: false },
				json: { type: "string" },
				seed: { type: "string", default: "1" },
				plot: { type: "string" },
				data: { type: "string" },
				dev: { type: "string" },
				eval: { type: "string" },
				write: { type: "boolean" },
				help: { type: "boolean", default: false },
			},
			allowNegative: true,
		}));
	} catch (error) {
		return err(error instanceof Error ? error.message : String(error));
	}
	const { quick, help, json = null, plot = null, data = null, dev = null, eval: judged = null } = values;
	const seed = Number(values.seed);
	if (!/^\d+$/.test(values.seed) || seed > SEED_MAX)
		return err(`--seed ${values.seed} is not a whole number from 0 to ${SEED_MAX}.`);
	for (const [name, value] of Object.entries({ json, plot, data, dev, eval: judged })) {
		if (value === "") return err(`--${name} needs a path.`);
	}
	if (plot !== null && !uses.includes("plot")) return err("This benchmark draws no plots, so --plot has no meaning.");
	if (data !== null && !uses.includes("data")) return err("This benchmark reads no data, so --data has no meaning.");
	for (const [name, value] of [
		["dev", dev],
		["eval", judged],
	] as const) {
		if (value !== null && !uses.includes(name))
			return err(
				`This benchmark does not learn from one directory to be judged on another, so --${name} has no meaning.`,
			);
	}
	return ok({ quick, help, seed, json, plot, data, dev, eval: judged, write: values.write ?? !quick });
}

export function usage(name: string, uses: readonly OptionalInput[]): string {
	const lines = [
		`Usage: npm run bench:${name} [-- OPTIONS]`,
		"",
		"  --quick      less work: the same rows within 45 s, and docs/benchmarks.md stays as it is",
		"  --json FILE  write the result as JSON",
		"  --seed N     of what is drawn at random (default 1)",
		...(uses.includes("plot") ? ["  --plot DIR   draw plots into this directory"] : []),
		...(uses.includes("data") ? ["  --data DIR   read the input data from here (default ../shared/data)"] : []),
		...(uses.includes("dev") ? ["  --dev DIR    learn from the files in here (default ../shared/data/routing)"] : []),
		...(uses.includes("eval")
			? ["  --eval DIR   judge on the files of the same names in here (default: a fifth of --dev)"]
			: []),
		"  --write      put the result into docs/benchmarks.md (--no-write: do not); the default unless --quick",
	];
	return lines.join("\n");
}
