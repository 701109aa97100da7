import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { auditRun, type GetRun, type VersionAudit } from "../../../scripts/audit-run.ts";
import { TestOperator } from "../../support/federated-client.ts";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { ClientProcess, hasPython, LANGUAGES, NO_PYTHON, type Language, type WorkOptions } from "./languages.ts";
import { Proxy, type SeenRequest } from "./proxy.ts";

const ROW = 2 ** 18;
/** Three shards, and a part of an update for each. */
const PARAMETERS = 2 * ROW + 1_000;

let gateway: Gateway;
let operator: TestOperator;
let folder: string;

beforeAll(async () => {
	[gateway, folder] = await Promise.all([startGateway(), mkdtemp(join(tmpdir(), "isobar-clients-"))]);
	operator = new TestOperator(gateway.isobar.url, gateway.key, fetch);
});
afterAll(async () => {
	await gateway.stop();
	await rm(folder, { recursive: true });
});

/** A run whose model has the value i / 2^20 at parameter i, and what a client of it is started with. */
async function newRun(proxy: Proxy, specification: object = {}, parameters = PARAMETERS): Promise<WorkOptions> {
	const weights = Float32Array.from({ length: parameters }, (_, i) => i / 2 ** 20);
	const flush = { when: "count", count: 1 };
	const run = await operator.startRun({ flush, shard_parameters: ROW, ...specification }, weights);
	const store = await mkdtemp(join(folder, "store-"));
	return { url: proxy.url, run, invitation: await operator.invitation(run), store, tasks: 1 };
}

/** Of version 1, if the one update was added once. */
function expectTrained(weights: Float32Array): void {
	const wrong = weights.findIndex((value, i) => value !== Math.fround(i / 2 ** 20 + ((i % 251) - 125) / 1_024));
	expect(wrong).toBe(-1);
}

describe.each(LANGUAGES)("a client in %s", (language: Language) => {
	let proxy: Proxy;
	beforeEach(async ({ skip }) => {
		if (language === "python" && !hasPython) skip(NO_PYTHON);
		proxy = await Proxy.start(gateway.isobar.url);
		return () => proxy.stop();
	});
	const start = (options: WorkOptions) => new ClientProcess(language, options);

	test("joins, pulls, trains, pushes and commits; its update makes a version", async () => {
		const options = await newRun(proxy);
		const client = start(options);
		await client.done();
		const [decided] = client.events.filter(({ type }) => type === "decided");
		expect(decided).toMatchObject({ decision: { state: "pending", round: 1, weight: 1 } });
		await operator.untilVersion(options.run, 1);
		expectTrained(await operator.weights(options.run));
		expect(proxy.find("PUT", /\/parts\//)).toHaveLength(3);
	});

	test("killed while it sends, it goes on with the same update and sends only what is missing", async () => {
		const options = await newRun(proxy);
		const isPart = (path: string, number: number) => path.includes(`/parts/${number}?`);
		proxy.fateOf = ({ path }) => (isPart(path, 1) || isPart(path, 2) ? "hold" : "pass");
		const killed = start(options);
		await until("a part to arrive and two to hang", () => proxy.find("PUT", /\/parts\//).length === 3, 30);
		const update = /updates\/([^/]+)\//.exec(proxy.find("PUT", /\/parts\//)[0]!.path)![1]!;
		await until("a part to be staged", async () => {
			const { body } = await operator.call("GET", `/v1/runs/${options.run}/updates/${update}`);
			return body.parts.stored.length === 1;
		});
		await killed.kill();
		proxy.fateOf = () => "pass";
		proxy.seen.length = 0;
		const { invitation: _, ...again } = options;
		const resumed = start(again);
		await resumed.done();
		const sent = proxy.find("PUT", /\/parts\//).map(({ path }) => path);
		expect(sent.sort()).toEqual([1, 2].map((n) => expect.stringMatching(`updates/${update}/parts/${n}\\?`)));
		expect(proxy.find("GET", /\/(task|versions)/)).toEqual([]);
		await operator.untilVersion(options.run, 1);
		expectTrained(await operator.weights(options.run));
	});

	test("killed after a commit whose answer was lost, it hears what was decided, and nothing counts twice", async () => {
		const options = await newRun(proxy);
		proxy.fateOf = ({ path }) => (path.endsWith("/commit") ? "lose" : "pass");
		const killed = start(options);
		await operator.untilVersion(options.run, 1);
		await killed.kill();
		proxy.fateOf = () => "pass";
		const resumed = start(options);
		await resumed.done();
		const decisions = resumed.events.filter(({ type }) => type === "decided").map(({ decision }) => decision);
		expect(decisions).toMatchObject([{ state: "accepted", version: 1 }]);
		expectTrained(await operator.weights(options.run));
		expect(await operator.version(options.run)).toBe(1);
	});

	test("goes on with a pull where it broke, and where an earlier process was killed", async () => {
		// Whole chunks of 4 MiB are kept, and the file has little more.
		const options = await newRun(proxy, {}, 4 * ROW + 1_000);
		const pulls = () => proxy.find("GET", /\/versions\//);
		proxy.fateOf = ({ path, headers }) => {
			if (!path.includes("/versions/")) return "pass";
			return headers.range === undefined ? { cut: 1_000_000 } : pulls().length === 2 ? { cut: 3_195_000 } : "hold";
		};
		const killed = start(options);
		await until("a third try to hang", () => pulls().length === 3, 30);
		const ranges = pulls().map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0));
		expect(ranges[0]).toBe(0);
		expect(ranges[1]).toBeGreaterThan(0);
		expect(ranges[2]).toBeGreaterThan(ranges[1]!);
		await killed.kill();
		proxy.seen.length = 0;
		proxy.fateOf = () => "pass";
		const resumed = start(options);
		await resumed.done();
		expect(pulls().map(({ headers }) => headers.range)).toEqual([`bytes=${2 ** 22}-`]);
		await operator.untilVersion(options.run, 1);
		expectTrained(await operator.weights(options.run));
	});

	test("does not train from a version that came wrong", async () => {
		const options = await newRun(proxy);
		const isPull = (path: string) => path.includes("/versions/");
		proxy.fateOf = ({ path }) => (isPull(path) && proxy.find("GET", /versions/).length === 1 ? "spoil" : "pass");
		await start(options).done();
		await operator.untilVersion(options.run, 1);
		expectTrained(await operator.weights(options.run));

		const other = await newRun(proxy);
		proxy.fateOf = ({ path }) => (isPull(path) ? "spoil" : "pass");
		await expect(start(other).done()).rejects.toThrow("version 0 came wrong 2 times");
		expect(proxy.find("PUT", new RegExp(other.run))).toEqual([]);
	});

	test("its requests get through a network that breaks every other one", async () => {
		const options = await newRun(proxy);
		const tries = new Map<string, number>();
		proxy.fateOf = ({ method, path }) => {
			const number = (tries.get(method + path) ?? 0) + 1;
			tries.set(method + path, number);
			return number === 1 ? "refuse" : number === 2 && method !== "GET" ? "lose" : "pass";
		};
		await start(options).done();
		await operator.untilVersion(options.run, 1);
		expectTrained(await operator.weights(options.run));
		const joins = proxy.find("POST", /\/clients$/).map(({ headers }) => String(headers["signature-input"]));
		expect(joins.length).toBeGreaterThanOrEqual(3);
		expect(new Set(joins.map((each) => /nonce="([^"]+)"/.exec(each)?.[1])).size).toBe(joins.length);
	});

	test("what it signed is refused when it is sent again", async () => {
		const options = await newRun(proxy);
		await start(options).done();
		for (const path of [/\/clients$/, /\/commit$/]) {
			const [{ method, path: target, headers, body }] = proxy.find("POST", path) as [SeenRequest];
			const again = await fetch(proxy.url + target, { method, headers: headersOf(headers), body });
			expect(await again.json()).toMatchObject({ error: { code: "nonce_replayed" } });
			expect(again.status).toBe(409);
		}
		const [task] = proxy.find("GET", /\/task/);
		const other = `${proxy.url}${task!.path.replace("wait=0", "wait=1")}`;
		expect(await (await fetch(other, { headers: headersOf(task!.headers) })).json()).toMatchObject({
			error: { code: "signature_invalid" },
		});
	});

	test.each(["f16", "bf16", "int8"])("sends its update in %s", async (encoding) => {
		const options = await newRun(proxy);
		await start({ ...options, encoding }).done();
		await operator.untilVersion(options.run, 1);
		const weights = await operator.weights(options.run);
		const worst = weights.reduce((most, value, i) => {
			return Math.max(most, Math.abs(value - i / 2 ** 20 - ((i % 251) - 125) / 1_024));
		}, 0);
		// Half of the last place of values up to 125 / 1,024: 11 bits, 8 bits, 127 steps.
		expect(worst).toBeLessThan({ f16: 4e-5, bf16: 3e-4, int8: 5e-4 }[encoding]!);
	});

	test("pulls differences to the version that it has, of an earlier process too", async () => {
		const options = { ...(await newRun(proxy)), delta: "int8" };
		await start({ ...options, tasks: 2 }).done();
		const pulls = () => proxy.find("GET", /\/versions\//).map(({ path }) => path.replace(/^.*versions\/\w+/, ""));
		const delta = expect.stringMatching(/^\/delta\?since=[0-9a-f]{64}&dtype=int8$/) as unknown;
		expect(pulls()).toEqual(["?dtype=f32", delta]);
		await operator.untilVersion(options.run, 2);
		await start(options).done();
		expect(pulls()).toEqual(["?dtype=f32", delta, delta]);
		await operator.untilVersion(options.run, 3);
		const weights = await operator.weights(options.run);
		// Of a difference that is no more than 0.25 half a step of 127: the base is rounded, and the update taken from it is not.
		const worst = weights.reduce(
			(most, value, i) => Math.max(most, Math.abs(value - i / 2 ** 20 - (3 * ((i % 251) - 125)) / 1_024)),
			0,
		);
		expect(worst).toBeLessThan(1e-3);
	});

	test("drops an update that no longer counts, and says why", async () => {
		const options = await newRun(proxy, { task_seconds: 0.4 });
		proxy.fateOf = ({ path }) => (path.includes("/parts/") ? "hold" : "pass");
		const killed = start(options);
		await until("parts to hang", () => proxy.find("PUT", /\/parts\//).length > 0, 30);
		await killed.kill();
		await new Promise((resolve) => setTimeout(resolve, 600));
		proxy.fateOf = () => "pass";
		const resumed = start(options);
		await resumed.done();
		const decisions = resumed.events.filter(({ type }) => type === "decided").map(({ decision }) => decision);
		expect(decisions).toMatchObject([{ state: "refused", reason: { code: "late" } }]);
	});
});

test("a run half of whose clients are in TypeScript and half in Python makes what its audit recomputes", async ({
	skip,
}) => {
	if (!hasPython) skip(NO_PYTHON);
	const proxy = await Proxy.start(gateway.isobar.url);
	onTestFinished(() => proxy.stop());
	const flush = { when: "count", count: 4 };
	const first = await newRun(proxy, { flush, retention: { versions: 5, updates: true } }, ROW + 1_000);
	const encodings = ["f32", "f16", "bf16", "int8"];
	const clients = await Promise.all(
		encodings.map(async (encoding, index) => {
			const store = await mkdtemp(join(folder, "store-"));
			const invitation = await operator.invitation(first.run);
			const options = { ...first, store, invitation, encoding, seed: index + 1, tasks: 2 };
			return new ClientProcess(LANGUAGES[index % 2]!, options);
		}),
	);
	await Promise.all(clients.map((client) => client.done()));
	await operator.untilVersion(first.run, 2);
	const found: VersionAudit[] = [];
	for await (const version of auditRun(getOf(first.run))) found.push(version);
	expect(found.map(({ result }) => result)).toEqual(["initial", "recomputed", "recomputed"]);
});

function getOf(run: string): GetRun {
	return async (path, headers) => {
		const response = await operator.raw("GET", `/v1/runs/${run}${path}`, { ...(headers && { headers }) });
		const bytes = new Uint8Array(await response.arrayBuffer());
		return response.ok ? bytes : null;
	};
}

function headersOf(headers: SeenRequest["headers"]): Record<string, string> {
	const names = ["content-digest", "content-type", "signature", "signature-input"];
	return Object.fromEntries(names.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])));
}
