import { Connection, requestBytes } from "./connection.ts";
import type { OpenJob, OpenOutcome } from "./jobs.ts";
import { arrivals } from "./schedule.ts";

/** How long it waits for the last answers. */
const LAST_SECONDS = 10;

/** Sends requests when they are due, however many are unanswered, and takes each latency from the time when it was due: a
 *  contender that stalls is charged for every request that should have been sent meanwhile. */
export async function runOpen(job: OpenJob): Promise<OpenOutcome> {
	const url = new URL(job.url);
	const request = requestBytes(url, job.headers, job.body);
	const due = arrivals(job.rate, job.warmupSeconds + job.seconds, job.seed);
	const idle: Connection[] = [];
	const all: Connection[] = [];
	const milliseconds: number[] = [];
	const lags: number[] = [];
	let next = 0;
	let answered = 0;
	let wrong = 0;
	let example: string | null = null;
	let origin = 0;
	const { promise: complete, resolve } = Promise.withResolvers<void>();

	function done(connection: Connection, problem: string | null): void {
		answered++;
		if (problem !== null) {
			wrong++;
			example ??= problem;
		} else if (connection.dueAt >= job.warmupSeconds) {
			milliseconds.push(elapsed() - connection.dueAt * 1_000);
		}
		idle.push(connection);
		if (answered === due.length) resolve();
	}

	function elapsed(): number {
		return performance.now() - origin;
	}

	/** Timers have a grain of a millisecond; what is due within it is sent together. */
	function tick(): void {
		const now = elapsed();
		while (next < due.length && due[next]! * 1_000 <= now) {
			const connection = idle.pop() ?? open();
			connection.dueAt = due[next++]!;
			lags.push(now - connection.dueAt * 1_000);
			connection.send();
		}
		if (next < due.length) setTimeout(tick, Math.max(1, due[next]! * 1_000 - elapsed()));
	}

	function open(): Connection {
		const connection = new Connection(url, request, job.expected, done);
		all.push(connection);
		return connection;
	}

	origin = performance.now();
	tick();
	const late = setTimeout(resolve, (job.warmupSeconds + job.seconds + LAST_SECONDS) * 1_000);
	await complete;
	clearTimeout(late);
	for (const connection of all) connection.close();
	const missing = due.length - answered;
	return {
		milliseconds,
		lags,
		good: answered - wrong,
		wrong: wrong + missing,
		example: example ?? (missing > 0 ? `${missing} requests without an answer` : null),
		connections: all.length,
	};
}
