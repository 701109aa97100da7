import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runWorkers, type Workerd } from "../../scripts/workerd.ts";

// Counts in a Durable Object and in D1, and knows how often this isolate was asked.
const SCRIPT = `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
	constructor(state, env) {
		super(state, env);
		state.storage.sql.exec("CREATE TABLE IF NOT EXISTS counted (n INTEGER PRIMARY KEY)");
	}
	count(n) {
		this.ctx.storage.sql.exec("INSERT INTO counted VALUES (?)", n);
	}
	counted() {
		return [...this.ctx.storage.sql.exec("SELECT n FROM counted ORDER BY n")].map((row) => row.n);
	}
}
let asked = 0;
export default {
	async fetch(request, env) {
		asked += 1;
		const { pathname, searchParams } = new URL(request.url);
		const counter = env.COUNTER.get(env.COUNTER.idFromName("one"));
		if (pathname === "/count") {
			const n = Number(searchParams.get("n"));
			await counter.count(n);
			await env.DB.prepare("INSERT INTO counted VALUES (?)").bind(n).run();
			return new Response("ok");
		}
		if (pathname === "/log") {
			console.log(JSON.stringify({ event: "request", text: "a\\nb" }));
			console.error("wrong");
			return new Response("ok");
		}
		if (pathname === "/echo") return new Response(request.body);
		const rows = await env.DB.prepare("SELECT n FROM counted ORDER BY n").all();
		return Response.json({ object: await counter.counted(), d1: rows.results.map((row) => row.n), asked });
	},
};`;

interface Counted {
	readonly object: readonly number[];
	readonly d1: readonly number[];
	readonly asked: number;
}

function worker(name: string, script: string) {
	return {
		name,
		modules: [{ type: "ESModule" as const, path: "index.js", contents: SCRIPT }],
		compatibilityDate: "2026-10-01",
		d1Databases: { DB: { id: "DB" } },
		durableObjects: { COUNTER: { className: "Counter", useSQLite: true, scriptName: script } },
	};
}

let directory: string;
let running: Workerd | null = null;
const lines: [string, string][] = [];

async function start(): Promise<URL[]> {
	running = await runWorkers({
		workers: [worker("main", "main"), worker("edge", "main")],
		persist: directory,
		onLog: (line, level) => lines.push([line, level]),
	});
	const database = await running.miniflare.getD1Database("DB", "main");
	await database.prepare("CREATE TABLE IF NOT EXISTS counted (n INTEGER PRIMARY KEY)").run();
	return [...running.urls];
}

async function counted(url: URL | undefined): Promise<Counted> {
	return (await fetch(new URL("/counted", url))).json();
}

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "isobar-test-"));
});

afterEach(async () => {
	await running?.stop();
	running = null;
	await rm(directory, { recursive: true, force: true });
});

describe("runWorkers", () => {
	it("keeps what was acknowledged when workerd is killed in the middle of writing", async () => {
		const [url] = await start();
		const { pid } = running!;
		const acknowledged: number[] = [];
		const writers = Array.from({ length: 8 }, async (_, writer) => {
			for (let n = writer; ; n += 8) {
				const response = await fetch(new URL(`/count?n=${n}`, url)).catch(() => null);
				if (!response?.ok) return;
				acknowledged.push(n);
				if (acknowledged.length === 40) await running!.kill();
			}
		});
		await Promise.all(writers);
		expect(acknowledged.length).toBeGreaterThanOrEqual(40);
		expect(() => process.kill(pid, 0)).toThrow("ESRCH");
		expect(running!.pid).toBe(pid);

		const [again] = await start();
		const { object, d1 } = await counted(again);
		expect(object).toEqual(expect.arrayContaining(acknowledged));
		expect(d1).toEqual(expect.arrayContaining(acknowledged));
	});

	it("runs isolates apart that share their Durable Objects and D1", async () => {
		const [main, edge] = await start();
		await fetch(new URL("/count?n=1", main));
		await fetch(new URL("/count?n=2", edge));
		await fetch(new URL("/count?n=3", edge));
		expect(await counted(main)).toEqual({ object: [1, 2, 3], d1: [1, 2, 3], asked: 2 });
		expect(await counted(edge)).toEqual({ object: [1, 2, 3], d1: [1, 2, 3], asked: 3 });
	});

	it("passes on each printed line with its level", async () => {
		lines.length = 0;
		const [url] = await start();
		await fetch(new URL("/log", url));
		await expect
			.poll(() => lines)
			.toEqual([
				['{"event":"request","text":"a\\nb"}', "log"],
				["wrong", "error"],
			]);
	});

	it("carries a body of 24 MB there and back", async () => {
		const [url] = await start();
		const body = new Uint8Array(24 * 1024 * 1024).map((_, i) => i % 251);
		const answer = await (await fetch(new URL("/echo", url), { method: "POST", body })).bytes();
		expect(Buffer.compare(answer, body)).toBe(0);
	});

	it("refuses a port that is taken", async () => {
		const [url] = await start();
		const taken = runWorkers({ workers: [worker("main", "main")], port: Number(url?.port), onLog: () => {} });
		await expect(taken).rejects.toThrow(/in use/i);
	});
});
