import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";

const LOCK = {
	packages: {
		"": { name: "project" },
		"node_modules/tool": { version: "1.0.0" },
		"node_modules/elsewhere": { version: "1.0.0", optional: true },
	},
};
// In npm's place: installs what the lockfile wants, or fails as it is told.
const NPM = `
const fs = require("fs");
fs.appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
if (process.env.NPM_FAILS) { console.error("npm error code ENETUNREACH"); process.exit(1); }
fs.mkdirSync("node_modules/tool", { recursive: true });
fs.writeFileSync("node_modules/tool/package.json", JSON.stringify({ bin: { tool: "tool.js" } }));
fs.writeFileSync("node_modules/tool/tool.js", "console.log('tool', ...process.argv.slice(2))");
fs.writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages: { "node_modules/tool": { version: "1.0.0" } } }));
`;

let project: string;

function write(name: string, value: unknown): void {
	mkdirSync(dirname(join(project, name)), { recursive: true });
	writeFileSync(join(project, name), typeof value === "string" ? value : JSON.stringify(value));
}

function environment(extra: Record<string, string> = {}) {
	return { ...process.env, npm_execpath: join(project, "npm-cli.js"), ...extra };
}

function bootstrap(args: readonly string[], extra: Record<string, string> = {}) {
	const script = join(project, "scripts", "bootstrap.mjs");
	const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
		encoding: "utf8",
		env: environment(extra),
	});
	return { status, stdout: stdout.trim(), stderr };
}

function installations(): number {
	const calls = join(project, "npm-calls");
	return existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n").length : 0;
}

beforeEach(() => {
	project = mkdtempSync(join(tmpdir(), "isobar-test-"));
	mkdirSync(join(project, "scripts"));
	cpSync(join(PROJECT, "scripts", "bootstrap.mjs"), join(project, "scripts", "bootstrap.mjs"));
	write("package.json", { engines: { node: ">=22.18" } });
	write("package-lock.json", LOCK);
	write("npm-cli.js", NPM);
});

afterEach(() => rmSync(project, { recursive: true, force: true }));

describe("bootstrap", () => {
	it("installs once, says so, and runs the command with its arguments", () => {
		const first = bootstrap(["tool", "-t", "a name"]);
		expect(first).toMatchObject({ status: 0, stdout: "tool -t a name" });
		expect(first.stderr).toMatch(/^Installing the dependencies .*MB[^]*Installed /);
		expect(bootstrap(["tool"])).toEqual({ status: 0, stdout: "tool", stderr: "" });
		expect(installations()).toBe(1);
	});

	it("installs again when the lockfile names another version", () => {
		bootstrap(["tool"]);
		write("package-lock.json", { packages: { ...LOCK.packages, "node_modules/tool": { version: "1.0.1" } } });
		bootstrap(["tool"]);
		expect(installations()).toBe(2);
	});

	it("shows why an installation failed, and starts nothing", () => {
		const failed = bootstrap(["node", "-e", "console.log('started')"], { NPM_FAILS: "1" });
		expect(failed).toMatchObject({ status: 1, stdout: "" });
		expect(failed.stderr).toContain("ENETUNREACH");
	});

	it("passes on the exit code", () => {
		expect(bootstrap(["node", "-e", "process.exit(7)"]).status).toBe(7);
	});

	it("says which Node is needed when none is new enough", () => {
		write("package.json", { engines: { node: ">=99.1" } });
		const { status, stderr } = bootstrap(["node", "-e", ""]);
		expect(status).toBe(1);
		expect(stderr).toContain(`needs Node 99.1 or newer, and this is ${process.version}`);
	});

	it("passes on a signal and ends as its command does", async () => {
		bootstrap(["tool"]);
		const waits = "process.on('SIGTERM', () => process.exit(5)); setInterval(() => {}, 1000); console.log('up')";
		const script = join(project, "scripts", "bootstrap.mjs");
		const child = spawn(process.execPath, [script, "node", "-e", waits], { env: environment() });
		child.stdout.once("data", () => child.kill("SIGTERM"));
		expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(5);
	});

	it.skipIf(process.platform === "win32")("ends its command when npm's shell was told to end", async () => {
		bootstrap(["tool"]);
		const script = join(project, "scripts", "bootstrap.mjs");
		const waits = `"${process.execPath}" "${script}" node -e "setInterval(() => {}, 1000); console.log(process.pid)"; :`;
		const shell = spawn("sh", ["-c", waits], { env: environment({ npm_lifecycle_event: "start" }) });
		const pid = await new Promise<number>((resolve) => shell.stdout.once("data", (data) => resolve(Number(data))));
		shell.kill("SIGTERM");
		await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
	});
});

function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}
