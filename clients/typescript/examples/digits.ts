/** Digits over ten clients that have few labels each, with the rules and optimisers of `digits-federated-baselines.json`; prints a table.
 *
 *      node examples/digits.ts --url URL --key KEY --data DIRECTORY [--rounds 60] [--setting fedavg] */
import { parseArgs } from "node:util";
import { readBaselines, readDigits } from "./digits-data.ts";
import { SETTINGS, type Setting } from "./digits-settings.ts";
import { Operator } from "./operator.ts";
import { skewed } from "./sample.ts";
import { simulate } from "./simulate.ts";
import { descend, score, softmaxModel } from "./softmax.ts";

const CLIENTS = 10;
const RATE = 0.5;

const { values } = parseArgs({
	options: {
		url: { type: "string" },
		key: { type: "string", default: process.env["ISOBAR_KEY"] ?? "" },
		data: { type: "string" },
		rounds: { type: "string", default: "60" },
		setting: { type: "string" },
	},
});
if (!values.url || !values.data) {
	console.error(
		"--url: Isobar's; --key: of an operator; --data: the directory that holds digits/ (see examples/digits-data.ts)",
	);
	process.exit(2);
}
const operator = new Operator(values.url, values.key);
const rounds = Number(values.rounds);
const { train, test } = await readDigits(values.data);
const baselines = await readBaselines(values.data);
const settings = SETTINGS.filter(({ name }) => !values.setting || name.startsWith(values.setting));

console.log(`${CLIENTS} clients, ${rounds} rounds; test accuracy and mean training loss\n`);
console.log(row("setting", "steps", "accuracy", "baseline", "loss", "baseline", "seconds"));
for (const setting of settings) {
	const start = performance.now();
	const { accuracy, loss } = await reached(setting);
	const [goal, goalLoss] = baselines?.[setting.table]?.[setting.name]?.[rounds] ?? [];
	const seconds = (performance.now() - start) / 1_000;
	const steps = new Set(setting.steps).size === 1 ? String(setting.steps[0]) : "2-30";
	console.log(
		row(setting.name, steps, digits(accuracy), digits(goal), digits(loss), digits(goalLoss), seconds.toFixed(1)),
	);
}

async function reached({ specification, steps }: Setting) {
	const model = softmaxModel(64, 10);
	const { clients } = await simulate({
		operator,
		model,
		specification: { name: "digits", ...specification },
		data: skewed(train, CLIENTS),
		rounds,
		functions: (_, client) => ({
			train(model, samples) {
				descend(model, samples, steps[client]!, RATE);
				return { examples: samples.length, steps: steps[client]! };
			},
			evaluate: score,
		}),
	});
	const made = await clients[0]!.pull();
	return { accuracy: score(made, test).metrics.accuracy, loss: score(made, train).loss };
}

function digits(value: number | undefined): string {
	return value === undefined ? "-" : value.toFixed(4);
}

function row(name: string, ...cells: readonly string[]): string {
	return name.padEnd(42) + cells.map((cell) => cell.padStart(10)).join("");
}
