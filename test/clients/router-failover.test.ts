import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { routerAssets } from "../support/router-weights.ts";
import { ARITHMETIC, routedCatalog, ROUTED_FLEET, PROSE, startRouterGateway } from "./helpers/router-gateway.ts";
import type { RouterGateway } from "./helpers/router-gateway.ts";
import { chatAnswer, Gate, plain, startScriptedPool, usage } from "./helpers/scripted-pool.ts";
import { errorOf } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const assets = await routerAssets();
const pool = await startScriptedPool();
const SCRIPTED = ["strong", "weak"];
const GOOD = plain(chatAnswer(usage(20, 10)));
for (const name of SCRIPTED) pool.on(name, GOOD);
const gateway = await startRouterGateway({
	assets,
	// On a busy machine a scheduler may be late, and then the fallback decides.
	settings: { retryShareMax: 1, schedulerDeadlineSeconds: 10 },
	replicas: ROUTED_FLEET.filter(({ model }) => !SCRIPTED.includes(model)),
	catalog: (urls) =>
		routedCatalog(new Map([...urls, ...SCRIPTED.map((name) => [`${name}/a`, pool.url(name)] as const)])),
});
const { ask, routed } = gateway;
const modelOf = (answer: Response): string | null => answer.headers.get("x-isobar-model");
/** What was slow before is chosen all the same. */
const UNHURRIED = { weights: { latency: 0 } };

/** Takes both places of a model's only replica. */
async function occupy(name: string): Promise<{ gate: Gate; answers: Promise<Response>[] }> {
	const gate = new Gate();
	pool.on(name, gate.answer);
	const answers = [ask(name, ARITHMETIC), ask(name, ARITHMETIC)];
	await until(`${name} is full`, () => gate.arrived.length === 2);
	return { gate, answers };
}

/** The isolate knows that the strong model takes requests, and a request for it goes there. */
function strongIsChosen(): Promise<unknown> {
	return until("strong is chosen", async () => modelOf(await ask("auto", ARITHMETIC, UNHURRIED)) === "strong");
}

async function waitingAt(model: string): Promise<void> {
	await until(`one waits for ${model}`, async () => (await gateway.fleet(model)).waiting === 1);
}

describe("when the chosen model cannot answer", () => {
	test("the next one does at once where its places are taken, which the isolate need not know yet", async () => {
		await strongIsChosen();
		const { gate, answers } = await occupy("strong");
		const record = await routed(await ask("auto", ARITHMETIC, UNHURRIED));
		expect(record).toMatchObject({ model: "small", waited_seconds: 0, route: { chosen: "strong" } });
		expect(record.attempts).toHaveLength(1);
		gate.open();
		await Promise.all(answers);
	});

	test("and when all are full, the best of those is waited for", async () => {
		await strongIsChosen();
		const held = await Promise.all(SCRIPTED.map(occupy));
		const answer = ask(SCRIPTED, ARITHMETIC, UNHURRIED);
		await waitingAt("strong");
		await setTimeout(50);
		for (const { gate } of held) gate.open();
		const record = await routed(await answer);
		expect(record.model).toBe("strong");
		expect(record.waited_seconds).toBeGreaterThan(0.04);
		await Promise.all(held.flatMap(({ answers }) => answers));
	});

	test("the next one does where it breaks the connection, within the calls that the request may make", async () => {
		pool.on("strong", GOOD);
		await strongIsChosen();
		pool.on("strong", (response) => void response.destroy());
		const record = await routed(await ask("auto", ARITHMETIC, UNHURRIED));
		expect(record).toMatchObject({ status: 200, model: "small", route: { chosen: "strong" } });
		expect(record.attempts.map(({ replica }) => replica)).toEqual(["strong/a", "small/a"]);
		pool.on("strong", GOOD);
		await strongIsChosen();
		pool.on("strong", (response) => void response.destroy());
		const once = await ask("auto", ARITHMETIC, { ...UNHURRIED, max_calls: 1 });
		expect((await errorOf(once)).code).toBe("upstream_failed");
		expect((await gateway.record(once)).attempts).toHaveLength(1);
		pool.on("strong", GOOD);
	});
});

test("a conversation is cheaper where its prefix is held, as the next turn knows", async () => {
	const turns = (first: string) => [
		{ role: "user", content: first },
		{ role: "assistant", content: "It is 492." },
		{ role: "user", content: ARITHMETIC },
	];
	const send = (messages: object[]) =>
		gateway.post("/chat/completions", { model: "auto", messages, max_tokens: 20, isobar: { route: UNHURRIED } });
	await strongIsChosen();
	const one = await send(turns(ARITHMETIC).slice(0, 1));
	expect(modelOf(one)).toBe("strong");
	await gateway.record(one);
	// Prompts of the same length, of which one goes on from that turn.
	const [goesOn, begins] = await Promise.all([send(turns(ARITHMETIC)), send(turns(ARITHMETIC.replace("12", "13")))]);
	const strongOf = async (answer: Response) =>
		(await routed(answer)).route.candidates.find(({ model }) => model === "strong")!;
	const [held, fresh] = [await strongOf(goesOn), await strongOf(begins)];
	expect(held.usd).toBeLessThan(fresh.usd);
	expect(held.terms.money).toBeLessThan(fresh.terms.money);
});

const spoilt = async (spoil: (bytes: Uint8Array) => Uint8Array | null): Promise<RouterGateway> => {
	const directory = await mkdtemp(join(tmpdir(), "isobar-assets-"));
	await mkdir(join(directory, "router"));
	const bytes = spoil(new Uint8Array(await readFile(join(assets, "router", "default.bin"))));
	if (bytes) await writeFile(join(directory, "router", "default.bin"), bytes);
	return startRouterGateway({ assets: directory });
};
const gateways = await Promise.all([
	spoilt(() => null),
	spoilt((bytes) => bytes.subarray(0, -10)),
	spoilt((bytes) => bytes.with(4, 99)),
	spoilt(() => new Uint8Array(3_000_000)),
]);

describe("weights that cannot be used", () => {
	test.each([
		["absent", 0, "status 404"],
		["cut", 1, "cut"],
		["of another format", 2, "format"],
		["too large", 3, "3000000 bytes"],
	])("%s: the incumbent answers, and log and record say so", async (_, index, reason) => {
		const spoiltGateway = gateways[index]!;
		const record = await spoiltGateway.routed(await spoiltGateway.ask("auto:safe", ARITHMETIC));
		expect(record).toMatchObject({
			status: 200,
			model: "small",
			route: { chosen: "small", reason: "incumbent", unjudged: "weights_unavailable", weights_version: null },
		});
		// Without one the first of the router's models.
		expect((await spoiltGateway.routed(await spoiltGateway.ask("auto", PROSE))).model).toBe("strong");
		const lines = spoiltGateway.log.filter((line) => line.includes("router_weights"));
		expect(lines).toHaveLength(1);
		expect(lines[0]).toContain(reason);
	});
});
