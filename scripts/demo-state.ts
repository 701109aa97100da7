import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { chmod, mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as z from "zod";
import { isRunning } from "./process-state.ts";

const credentials = z.object({
	admin_token: z.string(),
	key: z.string().optional(),
	key_id: z.string().optional(),
});
export type Credentials = z.infer<typeof credentials>;

/** What `npm start` keeps in its directory: the Worker's storage, the credentials (readable by their owner alone), the
 *  example, and the numbers of the two processes that use it: ours, and workerd's below it. */
export class DemoState {
	readonly directory: string;
	readonly worker: string;
	readonly credentialsFile: string;
	readonly example: string;
	readonly #lock: string;

	constructor(directory: string) {
		this.directory = directory;
		this.worker = join(directory, "worker");
		this.credentialsFile = join(directory, "credentials.json");
		this.example = join(directory, "example.mjs");
		this.#lock = join(directory, "pid");
	}

	/** Two runtimes on the same files would ruin them, so the second is refused: it gets the number of the process in its way.
	 *  That may be a workerd whose parent was killed, unless it is sure to be one on these files: then it is ended. */
	async lock(): Promise<number | null> {
		await mkdir(this.directory, { recursive: true, mode: 0o700 });
		if (existsSync(this.#lock)) {
			const [starter = 0, workerd = 0] = (await readFile(this.#lock, "utf8")).split("\n").map(Number);
			if (starter !== process.pid && isRunning(starter)) return starter;
			if (isRunning(workerd) && !(await endOrphan(workerd, this.worker))) return workerd;
		}
		await writeFile(this.#lock, `${process.pid}\n`);
		return null;
	}

	/** Notes the workerd that runs on the files, which outlives this process when it is killed. */
	holdsWorker(pid: number): void {
		writeFileSync(this.#lock, `${process.pid}\n${pid}\n`);
	}

	async unlock(): Promise<void> {
		await rm(this.#lock, { force: true });
	}

	/** Deletes what this class puts into the directory and nothing else. */
	async reset(): Promise<void> {
		for (const path of [this.worker, this.credentialsFile, this.example, this.#lock]) {
			await rm(path, { recursive: true, force: true });
		}
		if (existsSync(this.directory) && readdirSync(this.directory).length === 0) await rmdir(this.directory);
	}

	async credentials(): Promise<Credentials> {
		if (existsSync(this.credentialsFile))
			return credentials.parse(JSON.parse(await readFile(this.credentialsFile, "utf8")));
		const fresh = { admin_token: randomBytes(24).toString("base64url") };
		await this.save(fresh);
		return fresh;
	}

	async save(value: Credentials): Promise<void> {
		await writeFile(this.credentialsFile, `${JSON.stringify(value, null, "\t")}\n`, { mode: 0o600 });
		// The mode above is only for a new file.
		await chmod(this.credentialsFile, 0o600);
	}
}

const END_TRIES = 50;
const END_PAUSE_MS = 100;

/** Ends a process that has files below the directory open; false for one that is not seen to, which may have got the number of
 *  a process that is gone. Only Linux shows what a process has open. */
async function endOrphan(pid: number, directory: string): Promise<boolean> {
	if (!hasOpen(pid, directory)) return false;
	process.kill(pid, "SIGKILL");
	for (let tries = 0; tries < END_TRIES && isRunning(pid); tries++) await setTimeout(END_PAUSE_MS);
	return !isRunning(pid);
}

function hasOpen(pid: number, directory: string): boolean {
	try {
		const inside = realpathSync(directory) + sep;
		const descriptors = `/proc/${pid}/fd`;
		return readdirSync(descriptors).some((name) => linkOf(join(descriptors, name)).startsWith(inside));
	} catch {
		return false;
	}
}

/** Empty for a descriptor that was closed meanwhile. */
function linkOf(path: string): string {
	try {
		return readlinkSync(path);
	} catch {
		return "";
	}
}
