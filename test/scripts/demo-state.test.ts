import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DemoState } from "../../scripts/demo-state.ts";

let directory: string;
let state: DemoState;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "isobar-test-"));
	state = new DemoState(directory);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

describe("DemoState", () => {
	it("keeps its credentials, for their owner alone", async () => {
		const made = await state.credentials();
		await state.save({ ...made, key: "isobar_k", key_id: "key_1" });
		expect(await new DemoState(directory).credentials()).toEqual({ ...made, key: "isobar_k", key_id: "key_1" });
		expect((await stat(state.credentialsFile)).mode & 0o777).toBe(0o600);
	});

	it("is refused while the process that holds it lives, and free once that is gone", async () => {
		await writeFile(join(directory, "pid"), String(process.ppid));
		expect(await state.lock()).toBe(process.ppid);
		// Linux gives no process a number above 2^22.
		await writeFile(join(directory, "pid"), String(2 ** 22 + 1));
		expect(await state.lock()).toBeNull();
	});

	it("is refused while a process lives that has the number of an orphan and may be another", async () => {
		await writeFile(join(directory, "pid"), `${2 ** 22 + 1}\n${process.ppid}\n`);
		expect(await state.lock()).toBe(process.ppid);
	});

	it.skipIf(process.platform !== "linux")("ends an orphan that has its files open", async () => {
		await mkdir(state.worker);
		const file = join(state.worker, "file");
		const child = spawn(process.execPath, [
			"-e",
			`fs.openSync(${JSON.stringify(file)}, "w"); setInterval(() => {}, 1e3)`,
		]);
		const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
		await expect.poll(() => existsSync(file)).toBe(true);
		await writeFile(join(directory, "pid"), `${2 ** 22 + 1}\n${child.pid}\n`);
		expect(await state.lock()).toBeNull();
		expect(await ended).toBe("SIGKILL");
	});

	it("deletes what is its own and nothing else", async () => {
		await state.lock();
		await state.credentials();
		await writeFile(join(directory, "mine.txt"), "");
		await state.reset();
		expect(await readdir(directory)).toEqual(["mine.txt"]);
	});
});
