import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { hasGolden } from "../../unit/federated/golden/full.ts";
import { hasPython, LANGUAGES, NO_PYTHON, python, PYTHON_ENV } from "./languages.ts";

const PROJECT = resolve(import.meta.dirname, "../../..");
const DATA = resolve(PROJECT, "../shared/data/fl-golden");

let gateway: Gateway;
beforeAll(async () => {
	gateway = await startGateway();
});
afterAll(() => gateway.stop());

beforeEach(({ skip, task }) => {
	if (!hasGolden) skip("the digits are not beside the project");
	if (task.name.includes("python") && !hasPython) skip(NO_PYTHON);
});

/** Columns of the table: setting, steps, accuracy, baseline, loss, baseline, seconds. */
const ROW = /^(\S+) +(\S+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +[\d.]+$/;

test.each(LANGUAGES)(
	"the example of digits in %s reaches the accuracies and losses of numpy's baselines after five rounds",
	async (language) => {
		const [command, file] =
			language === "python"
				? [python, "python/examples/digits.py"]
				: [process.execPath, "typescript/examples/digits.ts"];
		const args = ["--url", gateway.isobar.url, "--data", DATA, "--rounds", "5"];
		const { stdout } = await promisify(execFile)(command, [join(PROJECT, "clients", file), ...args], {
			env: { ...PYTHON_ENV, ISOBAR_KEY: gateway.key },
		});
		const rows = stdout.split("\n").flatMap((line) => {
			const [, name = "", , accuracy, goal, loss, goalLoss] = ROW.exec(line) ?? [];
			return accuracy === undefined ? [] : [{ name, accuracy, goal, loss, goalLoss }];
		});
		expect(rows).toHaveLength(7);
		for (const { name, accuracy, goal, loss, goalLoss } of rows) {
			// Its Adam is another one than the baseline's.
			if (name.startsWith("fedadam")) {
				expect(Number(loss), name).toBeLessThan(Number(goalLoss));
				continue;
			}
			expect(accuracy, name).toBe(goal);
			expect(Math.abs(Number(loss) - Number(goalLoss)), name).toBeLessThan(2e-4);
		}
	},
	120_000,
);
