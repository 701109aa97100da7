import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";
import { isRunning } from "../../scripts/process-state.ts";

const MAIN = join(PROJECT, "test", "simulator", "main.ts");
const ARGS = ["--replica", "name=a,model=m", "--while-stdin"];
const children: ChildProcess[] = [];

afterEach(() => {
	for (const child of children.splice(0)) child.kill("SIGKILL");
});

describe("the simulator as a process, with --while-stdin", () => {
	it("serves, and ends when its standard input does", async () => {
		const child = spawn(process.execPath, [MAIN, ...ARGS], { stdio: ["pipe", "pipe", "inherit"] });
		children.push(child);
		const [line] = await once(child.stdout, "data");
		const { replicas } = JSON.parse(String(line)) as { replicas: { url: string }[] };
		expect((await fetch(`${replicas[0]?.url}/health`)).status).toBe(200);
		child.stdin.end();
		expect(await once(child, "exit")).toEqual([0, null]);
	});

	it("ends when the process that started it is killed", async () => {
		const code = `const child = require("node:child_process").spawn(process.execPath, ${JSON.stringify([MAIN, ...ARGS])});
			child.stdout.once("data", () => console.log(child.pid));
			setInterval(() => {}, 1_000);`;
		const starter = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
		children.push(starter);
		const pid = Number(String(await once(starter.stdout, "data")));
		expect(isRunning(pid)).toBe(true);
		starter.kill("SIGKILL");
		await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
	});
});
