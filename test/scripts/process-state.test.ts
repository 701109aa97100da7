import { spawn, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { isRunning } from "../../scripts/process-state.ts";

describe("isRunning", () => {
	it.each([process.pid, process.ppid])("is true of a process that runs (%i)", (pid) => {
		expect(isRunning(pid)).toBe(true);
	});

	it("is false of one that has ended, and of what is no process", () => {
		const { pid } = spawnSync(process.execPath, ["-e", ""]);
		for (const each of [pid, 0, -1, 1.5, Number.NaN]) expect(isRunning(each)).toBe(false);
	});

	it.skipIf(process.platform !== "linux")("is false of one that has ended and that nobody waited for", async () => {
		// The shell's child ends at once; what the shell then becomes does not know of it.
		const shell = spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 5"]);
		const pid = Number(await new Promise((resolve) => shell.stdout.once("data", resolve)));
		await expect.poll(() => isRunning(pid)).toBe(false);
		expect(() => process.kill(pid, 0)).not.toThrow();
		shell.kill();
	});
});
