import { parseArgs } from "node:util";
import { crashRun } from "./crash-run.ts";
import { federatedCrashRun } from "./federated-crash-run.ts";

/** Kills of federated runs that fell into the making of a version. */
let inMaking = 0;
/** What is tried: one run for a seed, which says what it has seen. */
const TRIALS: Readonly<Record<string, (seed: number) => Promise<string>>> = {
	async gateway(seed) {
		const { killedAt, answered, acknowledged, spentNano, unconfirmedNano } = await crashRun(seed);
		return `killed at answer ${killedAt}; ${answered} answered, ${acknowledged} on record and kept; $${spentNano / 1e9} spent, of it $${unconfirmedNano / 1e9} unconfirmed`;
	},
	async federated(seed) {
		const { kills, repeated, acknowledged, inMaking: found } = await federatedCrashRun(seed);
		inMaking += found;
		return `killed at ${kills.join(", ")}; ${found} of them while a version was made; ${acknowledged} updates acknowledged and counted once, ${repeated} steps repeated, every digest as undisturbed`;
	},
};

/** `npm run test:crash [-- --runs 100 --seed 1 --only federated]`: kills workerd in a hundred different moments, under prompts and under
 *  federated rounds. One line a run; a failing one names its seed, and `--runs 1 --seed N` repeats it. */
const { values } = parseArgs({
	options: {
		runs: { type: "string", default: "100" },
		seed: { type: "string", default: "1" },
		only: { type: "string" },
	},
});
const names = Object.keys(TRIALS).filter((name) => values.only === undefined || name === values.only);
if (names.length === 0) throw new Error(`--only has to be ${Object.keys(TRIALS).join(" or ")}`);
const first = Number(values.seed);
let [passed, failed] = [0, 0];
for (let seed = first; seed < first + Number(values.runs); seed++) {
	for (const name of names) {
		try {
			console.log(`${name}, seed ${seed}: ${await TRIALS[name]!(seed)}`);
			passed++;
		} catch (error) {
			failed++;
			console.error(`${name}, seed ${seed} FAILED: ${error instanceof Error ? error.message : String(error)}`);
		}
	}
}
if (names.includes("federated") && inMaking === 0) {
	failed++;
	console.error("federated: no kill fell into the making of a version, so the runs have tried nothing of it");
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
