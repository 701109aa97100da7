import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { PROJECT } from "../lib/bench.ts";

export interface WorkerSize {
	/** KiB of the upload, compressed. */
	readonly gzipKb: number;
	/** Processor time until the Worker can take its first request. */
	readonly startupMs: number;
}

const WRANGLER = join(PROJECT, "node_modules", "wrangler", "bin", "wrangler.js");

/** Builds the Worker as `wrangler deploy --dry-run` does and profiles its start, all by `wrangler check startup`, which needs no
 *  account. Throws when it prints something else than it used to. */
export async function workerSize(scratch: string): Promise<WorkerSize> {
	const directory = await mkdtemp(join(scratch, "startup-"));
	try {
		const profile = join(directory, "startup.cpuprofile");
		const { stdout } = await promisify(execFile)(
			process.execPath,
			[WRANGLER, "check", "startup", "--env=", "--outfile", profile],
			{
				cwd: PROJECT,
				env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", NO_COLOR: "1" },
			},
		);
		return readCheck(stdout);
	} finally {
		await rm(directory, { recursive: true, force: true });
	}
}

/** The figures in what `wrangler check startup` prints. */
export function readCheck(output: string): WorkerSize {
	const gzip = /gzip: ([\d.]+) KiB/.exec(output);
	const active = /Active: ([\d.]+) ms/.exec(output);
	if (!gzip || !active) throw new Error(`wrangler check startup printed no figures:\n${output}`);
	return { gzipKb: Number(gzip[1]), startupMs: Number(active[1]) };
}
