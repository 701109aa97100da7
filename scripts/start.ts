import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { startSimulator } from "../test/simulator/simulator.ts";
import { AdminClient } from "./admin-client.ts";
import { PROJECT } from "./bundle.ts";
import { DEMO_REPLICAS, DEMO_SECRETS, demoCatalog, withDemo } from "./demo-fleet.ts";
import { DemoState, type Credentials } from "./demo-state.ts";
import { isTaken } from "./free-port.ts";
import { startIsobar } from "./local.ts";
import { formatRequest, parseRequestLog } from "./request-line.ts";
import { curlExample, HELP, sdkExample, welcome } from "./start-texts.ts";

const BUDGET_DAY_USD = 5;
/** npm and the terminal may both pass on the same Ctrl-C. */
const SAME_SIGNAL_MS = 1_000;

const began = performance.now();
const closers: (() => Promise<void>)[] = [];
let stoppingSince: number | null = null;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void stop());

try {
	await start();
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	await stop(1);
}

async function start(): Promise<void> {
	const options = readOptions();
	if (options.help) return console.log(HELP);
	const state = new DemoState(resolve(options.state));
	await lock(state);
	if (options.reset) {
		await state.reset();
		await lock(state);
	}
	closers.push(() => state.unlock());

	console.log("Starting; the first time, the Worker is built as well.");
	const credentials = await state.credentials();
	const secrets = { ADMIN_TOKEN: credentials.admin_token, ...(await devVars()), ...DEMO_SECRETS };
	const port = await choosePort(options.port, options.host);
	const [isobar, simulator] = await Promise.all([
		startIsobar({ port, host: options.host, persist: state.worker, secrets, onLog: printLog }),
		startSimulator({ replicas: DEMO_REPLICAS }),
	]);
	closers.push(isobar.stop, () => simulator.close());

	const admin = new AdminClient(isobar.url, secrets.ADMIN_TOKEN);
	const demo = demoCatalog(new Map(simulator.replicas.map(({ name, url }) => [name, url])));
	await admin.putCatalog(withDemo(await admin.catalog(), demo));
	const key = await demoKey(admin, state, credentials);

	const code = sdkExample(isobar.url, key);
	await writeFile(state.example, code, { mode: 0o600 });
	console.log(
		welcome({
			url: isobar.url,
			key,
			budgetDayUsd: BUDGET_DAY_USD,
			curl: curlExample(isobar.url, key),
			code,
			example: shown(state.example),
			// The example finds the SDK only from inside the project.
			isRunnable: process.cwd() === PROJECT && state.example.startsWith(PROJECT + sep),
			state: shown(state.directory),
			credentials: shown(state.credentialsFile),
			seconds: (performance.now() - began) / 1000,
		}),
	);
}

function readOptions() {
	const { values } = parseArgs({
		options: {
			port: { type: "string", default: "8787" },
			host: { type: "string", default: "127.0.0.1" },
			state: { type: "string", default: join(PROJECT, ".isobar") },
			reset: { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	const port = Number(values.port);
	if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port ${values.port} is not a port.`);
	return { ...values, port };
}

async function lock(state: DemoState): Promise<void> {
	const holder = await state.lock();
	if (holder === null) return;
	throw new Error(`Process ${holder} runs Isobar on ${state.directory} already; --state DIR chooses another place.`);
}

/** Secrets of the user's own pools, as wrangler reads them. */
async function devVars(): Promise<Record<string, string>> {
	const file = join(PROJECT, ".dev.vars");
	if (!existsSync(file)) return {};
	const entries = Object.entries(parseEnv(await readFile(file, "utf8")));
	return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}

async function choosePort(wanted: number, host: string): Promise<number> {
	if (!(await isTaken(wanted, host))) return wanted;
	console.log(`Port ${wanted} is taken, so a free one is used.`);
	return 0;
}

/** The key of the last start if it is still good, or a new one. */
async function demoKey(admin: AdminClient, state: DemoState, credentials: Credentials): Promise<string> {
	const { key, key_id: id } = credentials;
	const isGood = (await admin.keys("demo")).some((each) => each.id === id && each.status === "active");
	if (key !== undefined && isGood) return key;
	const budget = { day_usd: BUDGET_DAY_USD };
	// What a request may cost at most is reserved, so a short answer by default lets more of them run at once.
	const made = await admin.createKey({ tenant: "demo", name: "npm start", budget, default_max_tokens: 1_024 });
	await state.save({ ...credentials, key: made.key, key_id: made.id });
	return made.key;
}

/** A path as one types it here. */
function shown(path: string): string {
	const short = relative(process.cwd(), path);
	return short.startsWith("..") ? path : short;
}

function printLog(line: string, level: string): void {
	if (stoppingSince !== null) return;
	const request = parseRequestLog(line);
	if (request) console.log(formatRequest(request));
	else if (level === "warn" || level === "error") console.error(line);
}

async function stop(code = 0): Promise<void> {
	if (stoppingSince !== null) {
		if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(130);
		return;
	}
	stoppingSince = performance.now();
	await Promise.allSettled(closers.map((close) => close()));
	process.exit(code);
}
