import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";
import { isRunning } from "../../scripts/process-state.ts";

interface Started {
	readonly child: ChildProcess;
	readonly output: () => string;
	readonly url: string;
	readonly key: string;
	readonly ended: Promise<number | null>;
}

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "isobar-test-"));
});

afterEach(async () => {
	for (const child of children.splice(0)) child.kill("SIGKILL");
	for (const pid of await pids()) if (isRunning(pid)) process.kill(pid, "SIGKILL");
	await rm(directory, { recursive: true, force: true });
});

/** `npm start` on a state of its own and a free port. */
function run(): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
	const script = join(PROJECT, "scripts", "start.ts");
	const child = spawn(process.execPath, [script, "--state", directory, "--port", "0"], {
		cwd: PROJECT,
		stdio: ["ignore", "pipe", "pipe"],
		// A process group of its own, as a terminal would give it.
		detached: true,
	});
	children.push(child);
	let text = "";
	child.stdout.on("data", (chunk) => (text += chunk));
	child.stderr.on("data", (chunk) => (text += chunk));
	const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
	return { child, output: () => text, ended };
}

async function start(): Promise<Started> {
	const started = run();
	await expect.poll(started.output, { timeout: 60_000 }).toContain("Ctrl-C stops");
	const [, url = ""] = /base URL +(\S+)/.exec(started.output()) ?? [];
	const [, key = ""] = /key +(isobar_\S+)/.exec(started.output()) ?? [];
	return { ...started, url, key };
}

async function pids(): Promise<number[]> {
	const text = await readFile(join(directory, "pid"), "utf8").catch(() => "");
	return text.trim().split("\n").filter(Boolean).map(Number);
}

function stream({ url, key }: Started, tokens: number): Promise<Response> {
	const messages = [{ role: "user", content: "Hello" }];
	// About a tenth of a second each eight tokens, on the simulated H100.
	const body = {
		model: "llama-3.1-8b",
		messages,
		stream: true,
		max_tokens: tokens,
		min_tokens: tokens,
		ignore_eos: true,
	};
	return fetch(`${url}/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify(body),
	});
}

describe("npm start", () => {
	it.skipIf(process.platform !== "linux")("ends the workerd that a killed one has left on its state", async () => {
		const first = await start();
		const [starter = 0, workerd = 0] = await pids();
		expect(starter).toBe(first.child.pid);
		first.child.kill("SIGKILL");
		await first.ended;
		expect(isRunning(workerd)).toBe(true);

		const second = await start();
		expect(isRunning(workerd)).toBe(false);
		expect((await stream(second, 4)).status).toBe(200);
		second.child.kill("SIGTERM");
		expect(await second.ended).toBe(0);
		expect(await pids()).toEqual([]);
	});

	it("is refused while another one runs on its state, and tells how to begin anew", async () => {
		const first = await start();
		expect(first.output()).toContain(`To begin anew: npm start -- --state ${directory} --reset`);
		const second = run();
		expect(await second.ended).toBe(1);
		expect(second.output()).toContain(`Process ${first.child.pid} runs on ${directory} already`);
	});

	it("lets what is in flight end, with its line and its record, before it stops", async () => {
		const first = await start();
		const answer = await stream(first, 150);
		const [starter = 0, workerd = 0] = await pids();
		// All of the group hears a terminal's Ctrl-C.
		process.kill(-starter, "SIGINT");
		const text = await answer.text();
		expect(text).toContain("data: [DONE]");
		expect(await first.ended).toBe(0);
		expect(isRunning(workerd)).toBe(false);
		expect(first.output()).toContain("A request is in flight; stopping in 10 s at the latest");
		expect(first.output()).toMatch(/^200 llama-3.1-8b on .* \+ 150 tokens/m);

		const second = await start();
		const record = await fetch(`${second.url}/requests/${answer.headers.get("x-isobar-request-id")}`, {
			headers: { authorization: `Bearer ${second.key}` },
		});
		expect(await record.json()).toMatchObject({ outcome: "ok", completion_tokens: 150 });
	});

	it("stops at once when it is told again", async () => {
		const first = await start();
		const answer = await stream(first, 1_000);
		const [, workerd = 0] = await pids();
		first.child.kill("SIGINT");
		await expect.poll(first.output).toContain("Ctrl-C again stops at once");
		await setTimeout(1_100);
		first.child.kill("SIGINT");
		expect(await first.ended).toBe(130);
		await expect(answer.text()).rejects.toThrow("terminated");
		await expect.poll(() => isRunning(workerd)).toBe(false);
	});

	it("has an example that runs wherever the state is", async () => {
		await start();
		const example = spawn(process.execPath, [join(directory, "example.mjs")], { cwd: tmpdir() });
		let printed = "";
		example.stdout.on("data", (chunk) => (printed += chunk));
		expect(await new Promise((resolve) => example.once("close", resolve))).toBe(0);
		expect(printed).toContain("simulated answer");
	});
});
