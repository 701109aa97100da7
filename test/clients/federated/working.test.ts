import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
	FederatedClient,
	MemoryStore,
	type ClientEvent,
	type ClientOptions,
	type Functions,
} from "../../../clients/typescript/src/index.ts";
import { FileStore } from "../../../clients/typescript/src/node.ts";
import { TestOperator } from "../../support/federated-client.ts";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";

let gateway: Gateway;
let operator: TestOperator;
let folder: string;

beforeAll(async () => {
	[gateway, folder] = await Promise.all([startGateway(), mkdtemp(join(tmpdir(), "isobar-working-"))]);
	operator = new TestOperator(gateway.isobar.url, gateway.key, fetch);
});
afterAll(async () => {
	await gateway.stop();
	await rm(folder, { recursive: true });
});

const PARAMETERS = 1_000;

/** Moves every parameter halfway to 1. */
const HALFWAY: Functions<null> = {
	load: () => null,
	train(model, _, task) {
		for (const [i, value] of model.values.entries()) model.values[i] = (value + 1) / 2;
		task.progress(1, 1);
		return { examples: 10, metrics: { deadline: task.deadline } };
	},
	evaluate: ({ values }) => ({ loss: 1 - values[0]!, metrics: { first: values[0]! } }),
};

interface Joined {
	readonly client: FederatedClient;
	readonly run: string;
	readonly events: ClientEvent[];
	/** Requests by method and path below the run, without the query. */
	readonly asked: string[];
}

async function join_(specification: object = {}, options: Partial<ClientOptions> = {}): Promise<Joined> {
	const flush = { when: "count", count: 1 };
	const run = options.run ?? (await operator.startRun({ flush, ...specification }, new Float32Array(PARAMETERS)));
	const events: ClientEvent[] = [];
	const asked: string[] = [];
	const send = options.fetch ?? fetch;
	const client = await FederatedClient.join({
		url: gateway.isobar.url,
		run,
		invitation: await operator.invitation(run),
		store: new MemoryStore(),
		onEvent: (event) => events.push(event),
		...options,
		fetch: (input, init) => {
			const { pathname, search } = new URL(input as string);
			asked.push(`${init?.method} ${pathname.split("/").slice(4).join("/")}${search}`);
			return send(input, init);
		},
	});
	return { client, run, events, asked };
}

test("works until the run ends, and hears what became of each update", async () => {
	const { client, run, events } = await join_({ versions_max: 3 });
	expect(await client.work(HALFWAY)).toBe("run_closed");
	expect([...(await operator.weights(run))].slice(0, 3)).toEqual([0.875, 0.875, 0.875]);
	const decisions = events.flatMap((event) => (event.type === "decided" ? [event.decision] : []));
	expect(decisions.filter(({ state }) => state === "accepted").map(({ version }) => version)).toEqual([1, 2, 3]);
	expect(events.at(-1)).toEqual({ type: "ended", reason: "run_closed" });
	const { body } = await operator.call("GET", `/v1/runs/${run}/rounds`);
	expect(body.data[0]).toMatchObject({ version: 1 });
	expect(JSON.stringify(body.data)).toContain("first");
});

test("hears of a task by its socket while it waits, without asking again and again", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(PARAMETERS));
	await operator.call("POST", `/v1/runs/${run}/pause`);
	const { client, events, asked } = await join_({}, { run });
	const working = client.work(HALFWAY, 1);
	await until("it to wait", () => events.some(({ type }) => type === "waiting"));
	await until("a ticket", () => asked.includes("POST tickets"));
	await new Promise((resolve) => setTimeout(resolve, 500));
	expect(asked.filter((each) => each.startsWith("GET task"))).toEqual(["GET task?wait=0"]);
	await operator.call("POST", `/v1/runs/${run}/resume`);
	expect(await working).toBe("done");
	expect(asked.filter((each) => each.startsWith("GET task")).every((each) => each.includes("wait=0"))).toBe(true);
});

test("without a socket it waits by long polls", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(PARAMETERS));
	await operator.call("POST", `/v1/runs/${run}/pause`);
	const { client, asked } = await join_({}, { run, socket: false });
	const working = client.work(HALFWAY, 1);
	await until("a long poll", () => asked.includes("GET task?wait=30"));
	await operator.call("POST", `/v1/runs/${run}/resume`);
	expect(await working).toBe("done");
	expect(asked).not.toContain("POST tickets");
});

test("pulls what was added since a version that it has, where that is less", async () => {
	const { client, run, events, asked } = await join_({ versions_max: 4 }, { pull: { delta: "int8" } });
	await client.work(HALFWAY);
	const pulls = asked.filter((each) => each.startsWith("GET versions/"));
	expect(pulls[0]).toMatch(/\?dtype=f32$/);
	expect(pulls.slice(1).every((each) => each.includes("/delta?since=") && each.endsWith("dtype=int8"))).toBe(true);
	expect(pulls).toHaveLength(4);
	const bytes = events.flatMap((event) => (event.type === "pulling" ? [event.total] : []));
	expect(bytes.at(-1)).toBe(PARAMETERS + 4 * 4);
	const weights = await operator.weights(run);
	for (const value of weights) expect(value).toBeCloseTo(0.9375, 2);
});

test("goes back to a whole version when the one that it has was collected", async () => {
	const gone = () => Response.json({ error: { message: "collected", code: "version_gone" } }, { status: 410 });
	// The Worker goes on with what its place has cached for a while, so that it is not made to say so by making versions.
	const { client, run, asked } = await join_(
		{ versions_max: 2 },
		{
			pull: { delta: "f16" },
			fetch: async (input, init) => ((input as string).includes("/delta?") ? gone() : fetch(input, init)),
		},
	);
	await client.work(HALFWAY);
	const pulls = asked.filter((each) => each.startsWith("GET versions/"));
	expect(pulls).toHaveLength(3);
	expect(pulls[1]).toMatch(/\/delta\?/);
	expect(pulls[2]).toMatch(/\?dtype=f32$/);
	expect((await operator.weights(run))[0]).toBe(0.75);
});

test("stops when it is told to, and goes on from there with its files", async () => {
	const store = join(folder, "stopped");
	const stop = new AbortController();
	const { client, run, events } = await join_({}, { store: new FileStore(store), signal: stop.signal });
	const stopping: Functions<null> = {
		...HALFWAY,
		train: (model, data, task) => {
			stop.abort();
			expect(task.signal.aborted).toBe(true);
			return HALFWAY.train(model, data, task);
		},
	};
	expect(await client.work(stopping)).toBe("stopped");
	expect(events.at(-1)).toEqual({ type: "ended", reason: "stopped" });
	const again = await FederatedClient.join({ url: gateway.isobar.url, run, store: new FileStore(store) });
	expect(again.id).toBe(client.id);
	expect(await again.work(HALFWAY, 1)).toBe("done");
	await operator.untilVersion(run, 1);
	expect((await operator.weights(run))[0]).toBe(0.5);
});

test("two cannot work with one store at once", async () => {
	const store = new FileStore(join(folder, "shared"));
	const stop = new AbortController();
	const { client, run, events } = await join_({ selection: { by: "count", count: 1 } }, { store, signal: stop.signal });
	const working = client.work({
		...HALFWAY,
		load: () => new Promise<null>((resolve) => setTimeout(() => resolve(null), 200)),
	});
	const other = await FederatedClient.join({ url: gateway.isobar.url, run, store });
	await expect(other.work(HALFWAY, 1)).rejects.toMatchObject({ code: "store_busy" });
	await until("an update", () => events.some(({ type }) => type === "decided"));
	stop.abort();
	expect(await working).toBe("stopped");
	expect(await other.work(HALFWAY, 1)).toBe("done");
});

test("what it cannot mend, it says", async () => {
	const bad = async (functions: Partial<Functions<null>>, specification = {}, options = {}) => {
		const { client } = await join_(specification, options);
		return client.work({ ...HALFWAY, ...functions }).catch((error: unknown) => (error as { code?: string }).code);
	};
	expect(await bad({ train: () => ({ examples: 0 }) })).toBe("report_invalid");
	expect(await bad({ train: ({ values }) => (values.fill(NaN), { examples: 1 }) })).toBe("update_not_finite");
	expect(await bad({}, { limits: { update_norm_max: 0.1 } })).toBe("norm_too_large");
	expect(await bad({}, { encodings: ["f16"] }, { encoding: "int8" })).toBe("encoding_refused");
	const { run } = await join_();
	const url = gateway.isobar.url;
	const code = (options: Partial<ClientOptions>) =>
		FederatedClient.join({ url, run, store: new MemoryStore(), ...options }).catch(
			(error: unknown) => (error as { code?: string }).code,
		);
	expect(await code({})).toBe("invitation_missing");
	expect(await code({ invitation: "isoinv_none" })).toBe("invitation_invalid");
	const store = new MemoryStore();
	await code({ store, invitation: await operator.invitation(run) });
	expect(await code({ store, run: "run_other" })).toBe("store_taken");
});

test("ends when it is expelled", async () => {
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(PARAMETERS));
	await operator.call("POST", `/v1/runs/${run}/pause`);
	const { client, events } = await join_({}, { run });
	const working = client.work(HALFWAY).catch((error: unknown) => (error as { code?: string }).code);
	await until("it to wait", () => events.some(({ type }) => type === "waiting"));
	await operator.call("DELETE", `/v1/runs/${run}/clients/${client.id}`);
	// Whatever happens in the run is told to who listens.
	await operator.call("POST", `/v1/runs/${run}/resume`);
	expect(await working).toMatch(/expelled/);
});
