import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { startSimulator } from "../test/simulator/simulator.ts";
import { AdminClient } from "./admin-client.ts";
import { PROJECT } from "./bundle.ts";
import { DEMO_REPLICAS, DEMO_SECRETS, demoCatalog, withDemo } from "./demo-fleet.ts";
import { DemoState, type Credentials } from "./demo-state.ts";
import { parseDevVars } from "./dev-vars.ts";
import { drained } from "./drain.ts";
import { isTaken } from "./free-port.ts";
import { startIsobar } from "./local.ts";
import { formatRequest, parseRequestLog } from "./request-line.ts";
import { formatAct, parseActLog } from "./act-line.ts";
import { curlExample, HELP, sdkExample, welcome } from "./start-texts.ts";

const BUDGET_DAY_USD = 5;
/** npm and the terminal may both pass on the same Ctrl-C. */
const SAME_SIGNAL_MS = 1_000;
/** What requests in flight get when the process is told to stop. */
const DRAIN_SECONDS = 10;

const DEFAULT_STATE = join(PROJECT, ".isobar");

const began = performance.now();
/** In the order in which they are called. */
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
	closers.unshift(() => state.unlock());

	console.log("Starting; the first time, the Worker is built as well.");
	const credentials = await state.credentials();
	const secrets = { ADMIN_TOKEN: credentials.admin_token, ...(await devVars()), ...DEMO_SECRETS };
	const port = await choosePort(options.port, options.host);
	const [isobar, simulator] = await Promise.all([
		startIsobar({
			port,
			host: options.host,
			persist: state.worker,
			secrets,
			onLog: printLog,
			detached: true,
			onSpawn: (pid) => state.holdsWorker(pid),
		}),
		startSimulator({ replicas: DEMO_REPLICAS }),
	]);
	closers.unshift(isobar.stop, () => simulator.close());

	const admin = new AdminClient(isobar.url, secrets.ADMIN_TOKEN);
	closers.unshift(() => drained(() => admin.fleet(), DRAIN_SECONDS, sayDraining));
	const demo = demoCatalog(new Map(simulator.replicas.map(({ name, url }) => [name, url])));
	await admin.putCatalog(withDemo(await admin.catalog(), demo));
	const key = await demoKey(admin, state, credentials);

	const code = sdkExample(isobar.url, key);
	const example = state.example.startsWith(PROJECT + sep)
		? code
		: sdkExample(isobar.url, key, import.meta.resolve("openai"));
	await writeFile(state.example, example, { mode: 0o600 });
	console.log(
		welcome({
			url: isobar.url,
			key,
			budgetDayUsd: BUDGET_DAY_USD,
			curl: curlExample(isobar.url, key),
			code,
			example: shown(state.example),
			node:
				process.platform === "linux" && process.cwd() === PROJECT ? "node_modules/.bin/node" : shown(process.execPath),
			controlUrl: simulator.controlUrl,
			state: shown(state.directory),
			isDefaultState: state.directory === DEFAULT_STATE,
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
			state: { type: "string", default: DEFAULT_STATE },
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
	throw new Error(`Process ${holder} runs on ${state.directory} already; --state DIR chooses another place.`);
}

/** Secrets of the user's own pools, as wrangler reads them. */
async function devVars(): Promise<Record<string, string>> {
	const file = join(PROJECT, ".dev.vars");
	if (!existsSync(file)) return {};
	return parseDevVars(await readFile(file, "utf8"));
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
	const request = parseRequestLog(line);
	const act = parseActLog(line);
	if (request) console.log(formatRequest(request));
	else if (act) console.log(formatAct(act));
	else if (stoppingSince !== null) return;
	else if (level === "warn" || level === "error") console.error(line);
}

function sayDraining(requests: number): void {
	const what = requests === 1 ? "A request is" : `${requests} requests are`;
	console.log(`${what} in flight; stopping in ${DRAIN_SECONDS} s at the latest. Ctrl-C again stops at once.`);
}

async function stop(code = 0): Promise<void> {
	if (stoppingSince !== null) {
		if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(130);
		return;
	}
	stoppingSince = performance.now();
	for (const close of closers) await close().catch(() => {});
	process.exit(code);
}
