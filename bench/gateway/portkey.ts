import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { CHAT_PATH, type Contender } from "./contender.ts";

const PACKAGE = "@portkey-ai/gateway";
const VERSION = "1.15.2";
/** What carries its requests, at the versions of its own lockfile. npm would take newer ones, with which it cannot stream:
 *  @hono/node-server 1.19.19 gives it headers that it may not change. */
const OVERRIDES = { hono: "4.9.7", "@hono/node-server": "1.13.5" };
const START_SECONDS_MAX = 20;

/** Portkey's gateway from npm, run with Node as its README says but without its console page and as in production, which is
 *  faster. Installed into `tools` at the first use; the error says why that did not work. */
export async function startPortkey(upstream: string, tools: string): Promise<Result<Contender, string>> {
	const directory = join(tools, `portkey-${VERSION}`);
	const script = join(directory, "node_modules", PACKAGE, "build", "start-server.js");
	// npm renames packages into place at the end, but writes this file after all of them.
	if (!existsSync(join(directory, "node_modules", ".package-lock.json"))) {
		const installed = await install(directory);
		if (!installed.ok) return installed;
	}
	const port = await freePort();
	const child = spawn(process.execPath, [script, `--port=${port}`, "--headless"], {
		env: { ...process.env, NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1" },
		stdio: "ignore",
	});
	const exited = once(child, "exit");
	async function stop(): Promise<void> {
		child.kill("SIGKILL");
		await exited;
	}
	const origin = `http://127.0.0.1:${port}`;
	if (!(await answers(origin))) {
		await stop();
		return err(`${PACKAGE} ${VERSION} did not start within ${START_SECONDS_MAX} s.`);
	}
	return ok({
		id: "portkey",
		title: `Portkey ${VERSION}`,
		url: origin + CHAT_PATH,
		headers: {
			authorization: "Bearer bench",
			"x-portkey-provider": "openai",
			"x-portkey-custom-host": `${upstream}/v1`,
		},
		stop,
	});
}

async function install(directory: string): Promise<Result<null, string>> {
	await mkdir(directory, { recursive: true });
	const manifest = { private: true, dependencies: { [PACKAGE]: VERSION }, overrides: OVERRIDES };
	await writeFile(join(directory, "package.json"), JSON.stringify(manifest));
	const npm = process.env["npm_execpath"] ?? "";
	const flags = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
	const run = promisify(execFile);
	try {
		if (npm.endsWith("npm-cli.js")) await run(process.execPath, [npm, ...flags], { cwd: directory });
		else await run("npm", flags, { cwd: directory, shell: process.platform === "win32" });
		return ok(null);
	} catch (error) {
		const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n")[0] : "";
		return err(`npm could not install ${PACKAGE} ${VERSION}${said ? ` (${said})` : ""}.`);
	}
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	if (address === null || typeof address === "string") throw new Error("no free port");
	return address.port;
}

async function answers(origin: string): Promise<boolean> {
	for (let tries = 0; tries < START_SECONDS_MAX * 10; tries++) {
		const response = await fetch(origin).catch(() => null);
		if (response?.ok) return true;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	return false;
}
