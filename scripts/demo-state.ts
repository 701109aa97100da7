import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

const credentials = z.object({
	admin_token: z.string(),
	key: z.string().optional(),
	key_id: z.string().optional(),
});
export type Credentials = z.infer<typeof credentials>;

/** What `npm start` keeps in its directory: the Worker's storage, the credentials (readable by their owner alone), the
 *  example, and the number of the process that uses it. */
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

	/** Two runtimes on the same files would ruin them, so the second is refused: it gets the first one's process number. */
	async lock(): Promise<number | null> {
		await mkdir(this.directory, { recursive: true, mode: 0o700 });
		if (existsSync(this.#lock)) {
			const pid = Number(await readFile(this.#lock, "utf8"));
			if (isRunning(pid)) return pid;
		}
		await writeFile(this.#lock, String(process.pid));
		return null;
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

function isRunning(pid: number): boolean {
	if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return error instanceof Error && "code" in error && error.code === "EPERM";
	}
}
