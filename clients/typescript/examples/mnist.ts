/** MNIST over clients that have two or so digits each: a small network, federated averaging with momentum, beside the same network trained for
 *  as many epochs on all data in one place.
 *
 *      node examples/mnist.ts --url URL --key KEY [--clients 20] [--rounds 20] [--train 60000] [--encoding f16] [--data DIRECTORY] */
import { parseArgs } from "node:util";
import { ENCODINGS } from "../../../src/shared/federated/encoding.ts";
import { installedMnist, readMnist } from "./mnist-data.ts";
import { mlpModel, scoreMlp, trainMlp } from "./mlp.ts";
import { Operator } from "./operator.ts";
import { seededRandom } from "./random.ts";
import { skewed } from "./sample.ts";
import { simulate } from "./simulate.ts";

const HIDDEN = 32;
const SGD = { epochs: 1, batch: 32, rate: 0.05 };
/** Chosen by the accuracy on the test set, so what is printed flatters it. */
const MOMENTUM = 0.9;

const { values } = parseArgs({
	options: {
		url: { type: "string" },
		key: { type: "string", default: process.env["ISOBAR_KEY"] ?? "" },
		data: { type: "string" },
		clients: { type: "string", default: "20" },
		rounds: { type: "string", default: "20" },
		train: { type: "string", default: "60000" },
		encoding: { type: "string", default: "f16" },
	},
});
const data = values.data ?? installedMnist();
const encoding = ENCODINGS.find((each) => each === values.encoding);
if (!values.url || !data || !encoding) {
	console.error(
		"--url: Isobar's; --key: of an operator; --data: a directory with MNIST's four files, or `npm install` once",
	);
	process.exit(2);
}
const clients = Number(values.clients);
const rounds = Number(values.rounds);
const all = await readMnist(data);
const train = all.train.slice(0, Number(values.train));
const model = mlpModel(all.train[0]!.x.length, HIDDEN, 10, seededRandom(1));

const pooled = model.copy();
trainMlp(pooled, train, { ...SGD, epochs: rounds, random: seededRandom(2) });

const start = performance.now();
const { clients: made } = await simulate({
	operator: new Operator(values.url, values.key),
	model,
	specification: { name: "mnist", server_optimiser: { name: "sgd", momentum: MOMENTUM } },
	data: skewed(train, clients),
	rounds,
	options: { encoding },
	functions: (_, client) => {
		const random = seededRandom(100 + client);
		return {
			train(model, samples, { progress }) {
				const steps = trainMlp(model, samples, { ...SGD, random, progress });
				return { examples: samples.length, steps };
			},
		};
	},
	onVersion: (version) => version % 5 === 0 && console.log(`version ${version}`),
});
const seconds = (performance.now() - start) / 1_000;
const federated = await made[0]!.pull();
console.log(
	`\n${clients} clients, ${train.length} digits, ${rounds} rounds in ${seconds.toFixed(0)} s; updates in ${encoding}`,
);
for (const [name, each] of [
	["federated", federated],
	["in one place", pooled],
] as const) {
	const { loss, metrics } = scoreMlp(each, all.test);
	console.log(`${name.padEnd(14)} test accuracy ${metrics.accuracy.toFixed(4)}, loss ${loss.toFixed(4)}`);
}
