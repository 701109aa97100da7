import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { TestOperator, type Json } from "../../support/federated-client.ts";
import { startGateway, type Gateway } from "../../support/gateway.ts";

const CLIENT = resolve(import.meta.dirname, "../../../clients/typescript");
const chromium = process.env["ISOBAR_CHROMIUM"] ?? "chromium";
const hasChromium = spawnSync(chromium, ["--version"]).status === 0;

let gateway: Gateway;
let operator: TestOperator;
/** The package as it is published. */
let built: string;

beforeAll(async () => {
	built = await mkdtemp(join(tmpdir(), "isobar-browser-"));
	const build = promisify(execFile)(process.execPath, [join(CLIENT, "build.mjs"), "--out", join(built, "dist")]);
	[gateway] = await Promise.all([startGateway(), build]);
	operator = new TestOperator(gateway.isobar.url, gateway.key, fetch);
});
afterAll(async () => {
	await gateway.stop();
	await rm(built, { recursive: true, force: true });
});

/** Works in two rounds, each with a client of its own that finds the same database, as after a reload; posts what it saw. */
const PAGE = `<!doctype html><script type="module">
import { FederatedClient, IndexedDbStore } from "/index.js";
const { url, run, invitation } = await (await fetch("/options")).json();
const events = [];
const functions = {
	load: () => 1,
	train: ({ values }, by) => { for (let i = 0; i < values.length; i++) values[i] += by; return { examples: 1 }; },
};
try {
	const ids = [];
	for (const once of [{ invitation }, {}]) {
		const store = new IndexedDbStore();
		const { privateKey } = await store.keys();
		events.push({ type: "key", extractable: privateKey.extractable });
		const client = await FederatedClient.join({ url, run, store, ...once, onEvent: (event) => events.push(event) });
		ids.push(client.id);
		await client.work(functions, 1);
	}
	await fetch("/done", { method: "POST", body: JSON.stringify({ ids, events }) });
} catch (error) {
	await fetch("/done", { method: "POST", body: JSON.stringify({ error: String(error), events }) });
}
</script>`;

test("a page of a browser is a client: it joins, trains and commits, and keeps its key in a database", async ({
	skip,
}) => {
	if (!hasChromium) skip(`${chromium} is not there (ISOBAR_CHROMIUM names another)`);
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(300_000));
	const options = { url: gateway.isobar.url, run, invitation: await operator.invitation(run) };
	const profile = await mkdtemp(join(tmpdir(), "isobar-profile-"));
	const index = await readFile(join(built, "dist", "index.js"));
	const done = Promise.withResolvers<Json>();
	const server = createServer((request, response) => {
		if (request.url === "/index.js") response.setHeader("content-type", "text/javascript").end(index);
		else if (request.url === "/options") response.end(JSON.stringify(options));
		else if (request.url === "/done") {
			let body = "";
			request.on("data", (piece: Buffer) => (body += piece.toString()));
			request.on("end", () => done.resolve(JSON.parse(body)));
			response.end();
		} else response.setHeader("content-type", "text/html").end(PAGE);
	});
	await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
	const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
	const browser = spawn(
		chromium,
		["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${profile}`, page],
		{ stdio: "ignore", detached: true },
	);
	const ended = new Promise((closed) => browser.on("close", closed));
	onTestFinished(async () => {
		// With the processes that it has started.
		process.kill(-browser.pid!, "SIGKILL");
		await ended;
		server.closeAllConnections();
		server.close();
		await rm(profile, { recursive: true, force: true, maxRetries: 5 });
	});
	void ended.then(() => done.reject(new Error("the browser ended")));
	const { error, ids, events } = await done.promise;
	expect(error).toBeUndefined();
	expect(ids[0]).toBe(ids[1]);
	expect(events).toContainEqual({ type: "key", extractable: false });
	expect(events.filter((event: Json) => event.type === "joined")).toHaveLength(1);
	await operator.untilVersion(run, 2);
	expect((await operator.weights(run)).every((value) => value === 2)).toBe(true);
}, 60_000);

test("the package works by its names, without the project around it", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(1_000));
	const options = { url: gateway.isobar.url, run, invitation: await operator.invitation(run) };
	const script = `import { FederatedClient } from "${join(built, "dist", "index.js")}";
import { FileStore, terminalProgress } from "${join(built, "dist", "node.js")}";
const store = new FileStore("${join(built, "state")}");
const client = await FederatedClient.join({ ...${JSON.stringify(options)}, store, onEvent: terminalProgress(process.stdout) });
const train = ({ values }) => (values.fill(3), { examples: 1 });
console.log(await client.work({ load: () => null, train }, 1));`;
	const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
	expect(stdout).toMatch(/^joined as cl_\w+\nround 1, from version 0\nupdate up_\S+: pending\ndone\n$/);
	await operator.untilVersion(run, 1);
	expect((await operator.weights(run))[0]).toBe(3);
});
