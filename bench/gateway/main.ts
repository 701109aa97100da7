import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT, runBench } from "../lib/bench.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Findings } from "../lib/result.ts";
import { median } from "../lib/statistics.ts";
import type { Contender } from "./contender.ts";
import { startIsobarContender } from "./isobar.ts";
import { LoadGenerator } from "./load-generator.ts";
import { LOADS } from "./loads.ts";
import { CONNECTIONS, FULL, measureLoad, QUICK } from "./measure.ts";
import { startOneCall, startPassThrough } from "./pass-through.ts";
import { startPool } from "./pool.ts";
import { startPortkey } from "./portkey.ts";
import { rowsOf, targetsOf, type Measured } from "./rows.ts";
import { storageText } from "./storage.ts";
import { workerSize, type WorkerSize } from "./worker-size.ts";

/** Git-ignored, and on the disk of the checkout: a system's directory for temporary files may be in memory. */
const TOOLS = join(PROJECT, "bench", ".tools");
const STARTUPS = 3;

await runBench({
	name: "gateway",
	title: "Gateway load",
	columns: [
		{ key: "load", title: "load" },
		{ key: "through", title: "through" },
		{ key: "vs_passthrough", title: "× pass-through", digits: 2 },
		{ key: "vs_portkey", title: "× Portkey", digits: 2 },
		{ key: "requests_per_second", title: "req/s" },
		{ key: "range", title: "min–max" },
		{ key: "added_p50_ms", title: "added p50 ms", digits: 2 },
		{ key: "added_p99_ms", title: "added p99 ms", digits: 2 },
		{ key: "at_requests_per_second", title: "at req/s" },
	],
	compared: [
		`Chat completions to simulated pools without delays, sent ${CONNECTIONS} at a time over keep-alive connections by one process: a small body (about 200 bytes, 20 tokens of answer), a body of 200 KB in 60 messages, and a stream of 200 tokens that the pool writes one by one. An answer counts when its status is 200 and its length and end are right.`,
		"Direct is the pool itself. The pass-through is a Worker of ten lines that forwards every request to it. One object call is a Worker that reads the body, makes one call to a Durable Object with as much in it as an assignment has, and reads the answer (a stream piece by piece) before it passes it on: what the platform takes of any gateway that asks one object for each request, before that does anything. Isobar is the bundle as deployed, its key with a day budget and limits, its catalog with three pools. Both run in workerd, each in a process of its own, and are reached without Miniflare's entry Worker. Portkey is `@portkey-ai/gateway` from npm, run with Node in production mode without its console.",
		"Requests a second: all connections busy, the median of rounds in which the contenders take turns; a ratio is the median of the rounds' ratios. The line of each request that Isobar prints is read by the process that started it, on the same cores.",
		"Added latency: at half of the contender's own rate, requests are sent when they are due (a Poisson process) whatever is still unanswered, and timed from then to the last byte. Shown is the contender's percentile less that of the pool under the same schedule, the median of the rounds.",
		"`startup_cpu_ms` is the active time in the profile of `wrangler check startup`, `bundle_gz_kb` the compressed upload that it names (KiB), the one of `wrangler deploy --dry-run`.",
	],
	notModelled: [
		"The network, TLS and HTTP/2: all is loopback and plain HTTP/1.1.",
		"More than one isolate: Cloudflare runs many of them, and its Durable Objects elsewhere; here they share one thread of one process.",
		"Machines of their own: load, gateway and pool share the cores, so a rate is less than the contender would reach alone, and the ratio to a cheaper one is nearer to 1.",
		"What Portkey can do that was not asked of it (guardrails, caching, fallbacks), and a Portkey in workerd: npm has only its build for Node.",
	],
	run,
});

async function run({ quick, seed }: BenchOptions, say: (text: string) => void): Promise<Findings> {
	await mkdir(TOOLS, { recursive: true });
	const scratch = await mkdtemp(join(TOOLS, "run-"));
	const stops: (() => Promise<void> | void)[] = [() => rm(scratch, { recursive: true, force: true })];
	const problems: string[] = [];
	async function stopAll(): Promise<void> {
		for (const stop of stops.splice(0).toReversed()) await stop();
	}
	for (const signal of ["SIGINT", "SIGTERM"] as const)
		process.once(signal, () => void stopAll().finally(() => process.exit(1)));
	try {
		say("profiling the Worker's start");
		const size = await startups(scratch, quick ? 1 : STARTUPS);
		say("starting the contenders");
		const generator = new LoadGenerator();
		stops.push(() => generator.stop());
		const pool = await startPool(scratch, seed);
		const contenders: Contender[] = [pool];
		stops.push(async () => {
			await Promise.all(contenders.map(({ stop }) => stop()));
		});

		const upstream = new URL(pool.url).origin;
		contenders.push(await startPassThrough(upstream), await startOneCall(upstream));
		const onProblem = (line: string): void => void problems.push(line);
		for (const logRequests of [true, false]) {
			const persist = join(scratch, logRequests ? "isobar" : "isobar-no-log");
			contenders.push(await startIsobarContender({ urls: pool.urls, logRequests, persist, onProblem }));
		}
		say("starting Portkey (installed at the first use)");
		const portkey = await startPortkey(upstream, TOOLS);
		if (portkey.ok) contenders.push(portkey.value);

		const measured: Measured[] = [];
		for (const load of LOADS) {
			const each = await measureLoad(load, { generator, contenders, effort: quick ? QUICK : FULL, seed, say });
			measured.push(portkey.ok ? each : withoutPortkey(each));
		}
		return {
			rows: rowsOf(measured),
			targets: targetsOf(measured, size),
			notes: [
				await storageText(scratch),
				...(portkey.ok ? [] : [`Portkey was not measured: ${portkey.error}`]),
				...(problems.length > 0 ? [`Isobar printed ${problems.length} warnings, the first: ${problems[0]}`] : []),
			],
		};
	} finally {
		await stopAll();
	}
}

async function startups(scratch: string, times: number): Promise<WorkerSize> {
	const sizes: WorkerSize[] = [];
	for (let i = 0; i < times; i++) sizes.push(await workerSize(scratch));
	return { gzipKb: sizes[0]!.gzipKb, startupMs: median(sizes.map(({ startupMs }) => startupMs)) };
}

function withoutPortkey(measured: Measured): Measured {
	const absent = { id: "portkey", title: "Portkey", perSecond: null, open: null } as const;
	return { ...measured, contenders: [...measured.contenders, absent] };
}
