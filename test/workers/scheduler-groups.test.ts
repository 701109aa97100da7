import { SELF } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { admin } from "./admin-support.ts";

const MODEL = "grouped-m";
/** Cheap far away, dear nearby. */
const UNEQUAL = "unequal-m";
const QUIET = "quiet-m";
const SHARDED = "sharded-m";
const GATEWAY = "https://gateway.example.com";
let key = "";

beforeAll(async () => {
	const capabilities = ["chat", "vision"];
	const pool = (id: string, model: string, region: string, more = {}) => ({
		id,
		model,
		engine: "openai",
		place: { provider: "x", region },
		price: { per: "million_tokens", input: 1, output: 2 },
		capabilities: ["chat"],
		max_concurrency: 2,
		replicas: [{ id: "a", url: `http://${id}.test` }],
		...more,
	});
	const put = await admin("PUT", "/admin/catalog", {
		models: [
			{ id: MODEL, context_length: 8_192, capabilities },
			{ id: UNEQUAL, context_length: 8_192, capabilities },
			{ id: QUIET, context_length: 8_192, capabilities },
			{ id: SHARDED, context_length: 8_192, capabilities, scheduler_shards: 4 },
		],
		pools: [
			pool("paris", MODEL, "eu-west"),
			pool("texas", MODEL, "us-south", { capabilities }),
			pool("lyon", UNEQUAL, "eu-west", { price: { per: "million_tokens", input: 100, output: 200 } }),
			pool("ohio", UNEQUAL, "us-south", { capabilities, max_concurrency: 1 }),
			pool("nice", QUIET, "eu-west", { price: { per: "million_tokens", input: 100, output: 200 } }),
			pool("reno", QUIET, "us-south"),
			pool("shared", SHARDED, "anywhere", { max_concurrency: 8 }),
		],
		region_groups: [
			{ id: "europe", regions: ["eu-west"], continents: ["EU"] },
			{ id: "america", regions: ["us-south"], continents: ["NA"], colos: ["LHR"], location_hint: "enam" },
		],
	});
	expect(put).toMatchObject({ status: 200 });
	key = (await admin("POST", "/admin/keys", { tenant: "grouped" })).body.key;
});

/** While `hold` is set, pools keep their answers back. */
const pools = { hold: false, held: 0, urls: [] as string[] };

beforeEach(() => {
	Object.assign(pools, { hold: false, held: 0, urls: [] });
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		pools.held++;
		pools.urls.push(input instanceof Request ? input.url : String(input));
		// A timer of its own: the runtime ends a request that waits for another one alone.
		while (pools.hold) await new Promise((resolve) => setTimeout(resolve, 10));
		return Response.json({ choices: [{}], usage: { prompt_tokens: 10, completion_tokens: 1 } });
	});
});
afterEach(() => {
	pools.hold = false;
	vi.restoreAllMocks();
});

async function ask(cf: object, body: object = {}, model = MODEL) {
	const answer = await SELF.fetch(`${GATEWAY}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}` },
		body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], ...body }),
		cf,
	} as RequestInit);
	return { status: answer.status, pool: answer.headers.get("x-isobar-pool"), body: (await answer.json()) as object };
}

const inParis = { colo: "CDG", continent: "EU" };
const inDallas = { colo: "DFW", continent: "NA" };

describe("region groups", () => {
	test("have schedulers of their own, asked by the edges that are near", async () => {
		expect(await ask(inParis)).toMatchObject({ status: 200, pool: "paris" });
		expect(await ask(inDallas)).toMatchObject({ status: 200, pool: "texas" });
		// An edge that is named counts before its continent.
		expect(await ask({ colo: "LHR", continent: "EU" })).toMatchObject({ status: 200, pool: "texas" });
		const europe = env.SCHEDULER.getByName(schedulerName(MODEL, { group: "europe", shard: 0 }));
		const { replicas } = await europe.status(MODEL, 1);
		expect(replicas.map(({ replica }) => replica)).toEqual(["paris/a"]);
	});

	test("help one another where one has no pool that will do", async () => {
		const image = [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }];
		expect(await ask(inParis, { messages: [{ role: "user", content: image }] })).toMatchObject({ pool: "texas" });
		expect(await ask(inParis, { isobar: { regions: ["us-south"] } })).toMatchObject({ status: 200, pool: "texas" });
		const nowhere = await ask(inParis, { isobar: { regions: ["mars"] } });
		expect(nowhere).toMatchObject({ status: 400, body: { error: { code: "constraint_unmet" } } });
	});

	test("send a request on to another's pool when their own are full, on what the other published", async () => {
		pools.hold = true;
		const answers = [ask(inDallas), ask(inParis), ask(inParis)];
		await vi.waitFor(() => expect(pools.held).toBe(3));
		// America has told Europe within the second that it has a place.
		await vi.waitFor(
			async () => {
				const more = ask(inParis, { isobar: { waiting_seconds_max: 0.2 } });
				answers.push(more);
				await vi.waitFor(() => expect(pools.held).toBe(4), { timeout: 500 });
			},
			{ timeout: 5_000 },
		);
		pools.hold = false;
		const served = (await Promise.all(answers)).filter(({ status }) => status === 200).map(({ pool }) => pool);
		expect(served.filter((pool) => pool === "paris")).toHaveLength(2);
		expect(served.filter((pool) => pool === "texas")).toHaveLength(2);
	});

	test("know of pools of a group that nobody has asked yet", async () => {
		pools.hold = true;
		const answers = [ask(inParis, {}, QUIET)];
		await vi.waitFor(() => expect(pools.held).toBe(1));
		await new Promise((resolve) => setTimeout(resolve, 300));
		answers.push(ask(inParis, {}, QUIET));
		await vi.waitFor(() => expect(pools.held).toBe(2));
		pools.hold = false;
		expect((await Promise.all(answers)).map(({ pool }) => pool)).toEqual(["nice", "reno"]);
	});

	/** What America published a moment ago, as Europe still believes it: a place is free. */
	async function tellOfRoom(): Promise<void> {
		const [europe, america] = ["europe", "america"].map((group) => schedulerName(UNEQUAL, { group, shard: 0 }));
		const idle = { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
		const replicas = [{ ...idle, replica: "ohio/a", open: true }];
		await env.SCHEDULER.getByName(europe!).share(UNEQUAL, 1, { from: america!, replicas });
	}

	test("take a request back that another cannot place after all", async () => {
		expect(await ask(inParis, {}, UNEQUAL)).toMatchObject({ status: 200, pool: "lyon" });
		pools.hold = true;
		const answers = [ask(inDallas, {}, UNEQUAL)];
		await vi.waitFor(() => expect(pools.urls).toContain("http://ohio.test/v1/chat/completions"));
		// Lyon takes two at once.
		for (const count of [3, 4]) {
			await tellOfRoom();
			answers.push(ask(inParis, {}, UNEQUAL));
			await vi.waitFor(() => expect(pools.held).toBe(count), { timeout: 2_000 });
		}
		pools.hold = false;
		const served = await Promise.all(answers);
		expect(served.map(({ pool }) => pool)).toEqual(["ohio", "lyon", "lyon"]);
	});

	test("wait for another's place where they have no pool that will do", async () => {
		pools.hold = true;
		const first = ask(inDallas, {}, UNEQUAL);
		await vi.waitFor(() => expect(pools.held).toBe(1));
		await tellOfRoom();
		const image = [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }];
		const second = ask(inParis, { messages: [{ role: "user", content: image }] }, UNEQUAL);
		await new Promise((resolve) => setTimeout(resolve, 500));
		expect(pools.held).toBe(1);
		pools.hold = false;
		expect(await first).toMatchObject({ status: 200, pool: "ohio" });
		expect(await second).toMatchObject({ status: 200, pool: "ohio" });
	});
});

describe("shards", () => {
	test("divide a model's conversations, each turn of one to the same, and know one another's load within a second", async () => {
		pools.hold = true;
		const answers = Array.from({ length: 6 }, (_, i) =>
			ask(inParis, { messages: [{ role: "user", content: `Question ${i}` }] }, SHARDED),
		);
		await vi.waitFor(() => expect(pools.held).toBe(6));
		const shards = Array.from({ length: 4 }, (_, shard) => ({ group: "global", shard }));
		const inFlight = async () =>
			Promise.all(
				shards.map(async (place) => {
					const stub = env.SCHEDULER.getByName(schedulerName(SHARDED, place));
					return (await stub.status(SHARDED, 1)).in_flight;
				}),
			);
		const each = await inFlight();
		expect(each.reduce((sum, count) => sum + count, 0)).toBe(6);
		expect(each.filter((count) => count > 0).length).toBeGreaterThan(1);
		const { body } = await admin("GET", "/admin/fleet");
		expect((body as unknown as { models: Record<string, object> }).models[SHARDED]).toMatchObject({
			in_flight: 6,
			replicas: [{ replica: "shared/a", in_flight: 6 }],
		});

		// Together they keep the replica's limit of 8, though no shard has as many of its own.
		await new Promise((resolve) => setTimeout(resolve, 1_200));
		const more = Array.from({ length: 8 }, (_, i) =>
			ask(
				inParis,
				{ messages: [{ role: "user", content: "Question 0" }], isobar: { waiting_seconds_max: 0.3 }, n: 1, seed: i },
				SHARDED,
			),
		);
		const refused = await Promise.all(
			more.map((answer) => Promise.race([answer, new Promise<null>((r) => setTimeout(() => r(null), 2_000))])),
		);
		expect(refused.filter((answer) => answer?.status === 429)).toHaveLength(6);
		pools.hold = false;
		expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true);
		await Promise.all(more);
	});
});
