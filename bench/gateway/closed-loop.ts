import { Connection, requestBytes } from "./connection.ts";
import type { ClosedJob, ClosedOutcome } from "./jobs.ts";

/** Every connection sends its next request when the last one is answered: what the contender can do at most. Counts the good
 *  answers that come within the measured time. */
export async function runClosed(job: ClosedJob): Promise<ClosedOutcome> {
	const url = new URL(job.url);
	const request = requestBytes(url, job.headers, job.body);
	let good = 0;
	let wrong = 0;
	let example: string | null = null;
	let over = false;
	const connections = Array.from(
		{ length: job.connections },
		() =>
			new Connection(url, request, job.expected, (connection, problem) => {
				if (over) return;
				if (problem === null) {
					good++;
				} else {
					wrong++;
					example ??= problem;
				}
				// One that fails at once would otherwise spin.
				if (problem === null) connection.send();
				else setTimeout(() => over || connection.send(), 1);
			}),
	);
	for (const connection of connections) connection.send();
	await sleep(job.warmupSeconds);
	const before = good;
	const from = performance.now();
	await sleep(job.seconds);
	const seconds = (performance.now() - from) / 1_000;
	const counted = good - before;
	over = true;
	for (const connection of connections) connection.close();
	return { perSecond: counted / seconds, good, wrong, example };
}

function sleep(seconds: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
