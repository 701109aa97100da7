import { parseArgs } from "node:util";
import { crashRun } from "./crash-run.ts";

/** `npm run test:crash [-- --runs 100 --seed 1]`: kills workerd in a hundred different moments. One line a run; a failing one
 *  names its seed, and `--runs 1 --seed N` repeats it. */
const { values } = parseArgs({
	options: { runs: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
});
const first = Number(values.seed);
let failed = 0;
for (let seed = first; seed < first + Number(values.runs); seed++) {
	try {
		const { killedAt, answered, acknowledged, spentNano, unconfirmedNano } = await crashRun(seed);
		console.log(
			`seed ${seed}: killed at answer ${killedAt}; ${answered} answered, ${acknowledged} on record and kept; $${spentNano / 1e9} spent, of it $${unconfirmedNano / 1e9} unconfirmed`,
		);
	} catch (error) {
		failed++;
		console.error(`seed ${seed} FAILED: ${error instanceof Error ? error.message : String(error)}`);
	}
}
console.log(`${Number(values.runs) - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
