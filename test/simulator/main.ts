import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { SCALE_TO_ZERO } from "../../src/shared/catalog/scale-to-zero.ts";
import type { ReplicaOptions } from "./options.ts";
import { PROFILES } from "./profile.ts";
import { startSimulator, type SimulatorOptions } from "./simulator.ts";

const USAGE = `Usage: node test/simulator/main.ts --config FILE
       node test/simulator/main.ts --replica name=a,model=llama-3.1-8b,profile=H100,port=8001 [--replica ...]
         [--seed N] [--host ADDRESS] [--control-port N] [--while-stdin]

FILE is JSON: { "replicas": [{ "name", "model", "profile", "port", "speed", ... }], "seed", "host", "controlPort" }.
Prints one line of JSON with the URLs and runs until it is stopped; with --while-stdin also until its standard input ends,
which a process that starts this gets when it is killed, too.
`;

/** Options of a replica that can stand in --replica; a file can hold all. */
const FLAGS: Readonly<Record<string, (text: string) => unknown>> = {
	name: String,
	model: String,
	profile: profileName,
	provider: providerName,
	apiKey: String,
	port: Number,
	maxConcurrency: Number,
	kvTokens: Number,
	contextLength: Number,
	speed: Number,
	outputTokens: Number,
	recordRequests: Number,
	eventsPerWrite: Number,
	startCold: (text) => text === "true",
	reportCachedTokens: (text) => text === "true",
};

try {
	const { whileStdin, ...options } = readOptions();
	const simulator = await startSimulator(options);
	const replicas = simulator.replicas.map(({ name, url }, i) => ({ name, url, model: options.replicas[i]?.model }));
	process.stdout.write(`${JSON.stringify({ controlUrl: simulator.controlUrl, replicas })}\n`);
	const close = (): void => {
		// An input that is listened to keeps the process alive.
		if (whileStdin) process.stdin.destroy();
		void simulator.close();
	};
	for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, close);
	if (whileStdin) process.stdin.once("close", close).resume();
} catch (error) {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
	process.exitCode = 1;
}

function readOptions(): SimulatorOptions & { readonly whileStdin: boolean } {
	const { values } = parseArgs({
		options: {
			config: { type: "string" },
			replica: { type: "string", multiple: true },
			seed: { type: "string" },
			host: { type: "string" },
			"control-port": { type: "string" },
			"while-stdin": { type: "boolean", default: false },
		},
	});
	const file = values.config ? readConfig(values.config) : { replicas: [] };
	const replicas = [...file.replicas, ...(values.replica ?? []).map(parseReplica)];
	if (replicas.length === 0) throw new Error("no replicas are given");
	return {
		...file,
		replicas,
		whileStdin: values["while-stdin"],
		...(values.seed && { seed: Number(values.seed) }),
		...(values.host && { host: values.host }),
		...(values["control-port"] && { controlPort: Number(values["control-port"]) }),
	};
}

/** The file's own fields are not checked further: it is written by whoever starts this. */
function readConfig(path: string): SimulatorOptions {
	const config: unknown = JSON.parse(readFileSync(path, "utf8"));
	if (typeof config !== "object" || config === null || !("replicas" in config) || !Array.isArray(config.replicas))
		throw new Error("--config: an object with a list of `replicas` is expected");
	return { ...config, replicas: config.replicas };
}

function parseReplica(text: string): ReplicaOptions {
	const options: Record<string, unknown> = {};
	for (const pair of text.split(",")) {
		const at = pair.indexOf("=");
		const parse = FLAGS[pair.slice(0, at)];
		if (at < 1 || !parse) throw new Error(`--replica: no such option: ${pair}`);
		options[pair.slice(0, at)] = parse(pair.slice(at + 1));
	}
	const { name, model } = options;
	if (typeof name !== "string" || typeof model !== "string") throw new Error("--replica: name and model are needed");
	return { ...options, name, model };
}

function providerName(text: string): string {
	const names = Object.keys(SCALE_TO_ZERO);
	if (!names.includes(text)) throw new Error(`no such provider: ${text} (${names.join(", ")})`);
	return text;
}

function profileName(text: string): string {
	if (!Object.hasOwn(PROFILES, text)) throw new Error(`no such profile: ${text} (${Object.keys(PROFILES).join(", ")})`);
	return text;
}
