import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { RouterStore } from "../../durable-objects/router.store.ts";
import type { ModelState, RouterState } from "../../src/shared/router/messages.ts";
import type { RouterSetup } from "../../src/shared/router/online-view.ts";
import type { AnchorRow } from "../../src/shared/router/outcome.ts";
import { explored, outcome, pair, setup as setupOf } from "../unit/router/learning-support.ts";

let routers = 0;
const newRouter = () => env.ROUTER.getByName(`tenant:router-${routers++}`);
const now = (): number => Date.now() / 1_000;
const setup = (part: Partial<RouterSetup> = {}): RouterSetup => setupOf(["a", "b"], part);

const modelIn = (state: RouterState, domain: string, model: string): ModelState =>
	state.domains.find((each) => each.domain === domain)!.models.find((each) => each.model === model)!;

describe("what a router was told", () => {
	test("counts once, however often it is said; a later word takes the place of an earlier one", async () => {
		const stub = newRouter();
		const first = explored({ at: now(), score: 1 });
		await Promise.all([stub.tell([first]), stub.tell([first, first])]);
		await stub.tell([{ ...first, score: 0 }]);
		const state = await stub.state(setup());
		expect(modelIn(state, "*", "a")).toMatchObject({ explored: 1, mean: 0 });
		expect(modelIn(state, "math", "a").evidence).toBeCloseTo(1, 3);
	});

	test("is there after the object was evicted, and after it was killed", async () => {
		const stub = newRouter();
		await stub.tell([explored({ at: now() }), ...pair({ at: now() }, { at: now(), model: "b", score: 0 })]);
		await stub.tell([outcome({ at: now(), score: 0.25 })]);
		await stub.label(setup(), [{ domains: [{ name: "law", p: 1 }], scores: { a: 1 }, cards: {} }]);
		const before = await stub.state(setup());
		expect(before).toMatchObject({ labelled_prompts: 1, observed: [{ model: "a", n: 1, s: 0.25 }] });
		for (const gone of [() => evictDurableObject(stub), () => abortAllDurableObjects()]) {
			await gone();
			const after = await env.ROUTER.get(stub.id).state(setup());
			expect(after).toMatchObject({ revision: before.revision, observed: before.observed });
			expect(modelIn(after, "math", "b")).toMatchObject({ paired: 1, mean: 0 });
			expect(modelIn(after, "law", "a")).toMatchObject({ anchors: 1, mean: 1 });
		}
	});

	test("is tidied up in time, however often the object is evicted meanwhile", async () => {
		const stub = newRouter();
		const alarm = () => runInDurableObject(stub, (_, state) => state.storage.getAlarm());
		await stub.tell([outcome({ at: now() })]);
		const soon = Date.now() + 60_000;
		await runInDurableObject(stub, (_, state) => state.storage.setAlarm(soon));
		await evictDurableObject(stub);
		await stub.tell([outcome({ at: now() })]);
		expect(await alarm()).toBe(soon);
		await runDurableObjectAlarm(stub);
		expect(await alarm()).toBeGreaterThan(soon);
	});

	test("leaves nothing behind when it fails half-way", async () => {
		const stub = newRouter();
		await runInDurableObject(stub, async (router, state) => {
			state.storage.sql.exec(
				"CREATE TRIGGER broken BEFORE INSERT ON outcomes WHEN new.request = 'bad' BEGIN SELECT RAISE(ABORT, 'disk'); END",
			);
			const both = [explored({ at: now() }), explored({ request: "bad", at: now() })];
			await expect(router.tell(both)).rejects.toThrow("disk");
			expect((await router.state(setup())).domains).toHaveLength(1);
			state.storage.sql.exec("DROP TRIGGER broken");
			await router.tell(both);
			expect(modelIn(await router.state(setup()), "*", "a")).toMatchObject({ explored: 2 });
		});
	});

	test("is of one tenant's router: no other knows of it", async () => {
		const [ours, theirs] = [env.ROUTER.getByName("ours:default"), env.ROUTER.getByName("theirs:default")];
		await ours.tell(Array.from({ length: 50 }, () => explored({ at: now(), score: 0 })));
		expect((await ours.view(setup())).evidence[0]).toBeGreaterThan(40);
		expect([...(await theirs.view(setup())).evidence]).toEqual([0, 0]);
	});

	test("is forgotten with a reset", async () => {
		const stub = newRouter();
		await stub.tell([explored({ at: now() }), outcome({ at: now() })]);
		const { revision } = await stub.view(setup());
		await stub.reset();
		const view = await stub.view(setup());
		expect([...view.evidence]).toEqual([0, 0]);
		expect(view.revision).toBeGreaterThan(revision);
		expect(await stub.state(setup())).toMatchObject({ observed: [], labelled_prompts: 0 });
	});
});

describe("a model that has become another", () => {
	const label: AnchorRow = { domains: [{ name: "law", p: 1 }], scores: { a: 1, b: 0 }, cards: {} };
	const newB = setup({
		catalogVersion: 2,
		models: [
			{ id: "a", version: "1" },
			{ id: "b", version: "2" },
		],
	});

	test("starts anew, and the others do not", async () => {
		const stub = newRouter();
		const before = now() - 10;
		await stub.label(setup(), [label]);
		await stub.tell([explored({ at: before }), explored({ at: before, model: "b" })]);
		await stub.tell([outcome({ at: before, over: { request: "r", model: "b" } })]);
		expect(modelIn(await stub.state(setup()), "*", "b").evidence).toBeCloseTo(2, 3);
		const after = await stub.state(newB);
		expect(modelIn(after, "*", "b")).toMatchObject({ evidence: 0, anchors: 0, strength: 0 });
		expect(modelIn(after, "*", "a").evidence).toBeCloseTo(2, 3);
		// What was said of requests from before still comes in, and is of the old one.
		await stub.tell([explored({ at: before, model: "b" })]);
		await stub.tell([explored({ at: now() + 1, model: "b", score: 0 })]);
		expect(modelIn(await stub.state(newB), "*", "b")).toMatchObject({ explored: 1, mean: 0 });
	});

	test("is not made the old one again by an isolate with an older catalog", async () => {
		const stub = newRouter();
		await stub.view(newB);
		await stub.view(setup());
		expect((await stub.state(setup())).versions).toMatchObject([
			{ model: "a" },
			{ model: "b", version: "2", since: 0 },
		]);
	});
});

describe("the budget of shadow requests", () => {
	const ask = (id: string, worst: number) => ({ id, day: "2026-11-28", worst, budget: 100 });

	test("is hard in a rush, and over a crash", async () => {
		const stub = newRouter();
		const replies = await Promise.all(Array.from({ length: 30 }, (_, n) => stub.shadow(ask(`s${n}`, 30))));
		expect(replies.filter(Boolean)).toHaveLength(3);
		await abortAllDurableObjects();
		const again = env.ROUTER.get(stub.id);
		expect(await again.shadow(ask("late", 30))).toBe(false);
		// Asked again by an isolate that did not hear the answer.
		expect(await again.shadow(ask("s0", 30))).toBe(true);
		await again.shadowPaid("s0", 5);
		await again.shadowPaid("s0", 0);
		expect(await again.shadow(ask("late", 35))).toBe(true);
		expect(await again.shadow({ ...ask("tomorrow", 100), day: "2026-11-29" })).toBe(true);
	});
});

describe("what is too much", () => {
	test("scores of deterministic choices are added up once nothing more can be said of them", async () => {
		const stub = newRouter();
		const old = now() - 3 * 86_400;
		await stub.tell([outcome({ at: old, score: 0.5 }), outcome({ at: old, model: "b" }), outcome({ at: now() })]);
		const { observed } = await stub.state(setup());
		expect(await runDurableObjectAlarm(stub)).toBe(true);
		await runInDurableObject(stub, (_, state) => {
			expect(state.storage.sql.exec("SELECT count(*) AS n FROM outcomes").one()).toEqual({ n: 1 });
		});
		expect((await stub.state(setup())).observed).toEqual(observed);
		expect(observed).toEqual([
			{ model: "a", n: 2, s: 1.5 },
			{ model: "b", n: 1, s: 1 },
		]);
	});

	test("words that move something stay when they are old", async () => {
		const stub = newRouter();
		await stub.tell([explored({ at: now() - 60 * 86_400 })]);
		await runDurableObjectAlarm(stub);
		expect(modelIn(await stub.state(setup()), "*", "a").evidence).toBeCloseTo(0.25, 3);
	});

	test("a store without rows has nothing to purge", async () => {
		await runInDurableObject(newRouter(), (_, state) => {
			const store = new RouterStore(state.storage);
			expect(store.isEmpty).toBe(true);
			expect(store.purge(now(), "2026-11-28")).toBe(false);
		});
	});
});
