import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cannedScore, isCannedChosen, matchingRule, type Rule } from "../../../src/shared/router/canned.ts";
import { cacheKey, cachePolicy, type CacheScope } from "../../../src/shared/router/exact-cache.ts";
import { SingleFlight, type Turn } from "../../../src/shared/router/single-flight.ts";

const SCOPE: CacheScope = {
	endpoint: "chat",
	salt: "t",
	models: [["m", "org/m"]],
	route: null,
	policy: { regions: null, priceCeiling: null },
	defaultMaxTokens: null,
};

describe("the key of a request", () => {
	test("does not depend on the order of members, nor on those without effect", async () => {
		await fc.assert(
			fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 6 }), fc.string(), async (body, user) => {
				const reversed = Object.fromEntries(Object.entries(body).reverse());
				const key = await cacheKey(body, SCOPE);
				expect(key).toMatch(/^[0-9a-f]{64}$/);
				expect(await cacheKey({ ...reversed, user, isobar: { x: 1 }, model: "other name" }, SCOPE)).toBe(key);
			}),
			{ numRuns: 50 },
		);
	});

	test("tells apart whatever the answer depends on", async () => {
		const body = { messages: [{ role: "user", content: "x" }], temperature: 0 };
		const keys = await Promise.all([
			cacheKey(body, SCOPE),
			cacheKey({ ...body, stream: true }, SCOPE),
			cacheKey({ ...body, max_tokens: 5 }, SCOPE),
			cacheKey({ messages: [{ content: "y", role: "user" }], temperature: 0 }, SCOPE),
			cacheKey(body, { ...SCOPE, salt: "another" }),
			cacheKey(body, { ...SCOPE, endpoint: "completions" }),
			cacheKey(body, { ...SCOPE, models: [["m", "org/m-v2"]] }),
			cacheKey(body, { ...SCOPE, route: { router: { id: "r" } } }),
			cacheKey(body, { ...SCOPE, policy: { ...SCOPE.policy, regions: ["eu"] } }),
			cacheKey(body, { ...SCOPE, policy: { ...SCOPE.policy, privacy: "own" } }),
			cacheKey(body, { ...SCOPE, policy: { ...SCOPE.policy, priceCeiling: 1 } }),
			cacheKey(body, { ...SCOPE, defaultMaxTokens: 16 }),
			cacheKey({ ...body, cache_salt: "own" }, SCOPE),
		]);
		expect(new Set(keys).size).toBe(keys.length);
	});

	test("whether the cache is asked: the client's word, then the operator's for this temperature", () => {
		const operator = { when: "deterministic" as const, ttlSeconds: 60 };
		expect(cachePolicy(operator, undefined, 0)).toBe(operator);
		expect(cachePolicy(operator, undefined, 0.1)).toBeNull();
		expect(cachePolicy(operator, undefined, null)).toBeNull();
		expect(cachePolicy({ ...operator, when: "always" }, undefined, null)).not.toBeNull();
		expect(cachePolicy(null, undefined, 0)).toBeNull();
		expect(cachePolicy(null, true, 1)).toMatchObject({ ttlSeconds: 3_600 });
		expect(cachePolicy(operator, true, 1)).toMatchObject({ ttlSeconds: 60 });
		expect(cachePolicy(operator, false, 0)).toBeNull();
	});
});

describe("single flight", () => {
	type Step = {
		readonly act: "join" | "land" | "leave" | "renew" | "expire";
		readonly key: string;
		readonly asker: number;
	};

	test("whatever happens at most one leads, and everybody is told once", () => {
		const step: fc.Arbitrary<Step> = fc.record({
			act: fc.constantFrom("join", "join", "land", "leave", "renew", "expire"),
			key: fc.constantFrom("a", "b"),
			asker: fc.nat(5),
		});
		fc.assert(
			fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
				const flights = new SingleFlight<number>(10);
				const told = new Map<string, Turn<number>[]>();
				const asked = new Set<string>();
				let now = 0;
				for (const { act, key, asker } of steps) {
					now++;
					const name = `${key}${asker}`;
					if (act === "join" && !asked.has(name)) {
						asked.add(name);
						if (!flights.join(key, name, now)) {
							told.set(name, []);
							expect(flights.wait(key, name, (turn) => told.get(name)!.push(turn))).toBe(true);
						}
					}
					if (act === "land") flights.land(key, now);
					if (act === "leave") flights.leave(key, name, now);
					if (act === "renew") flights.renew(key, name, now);
					if (act === "expire") flights.expire(now);
				}
				for (const key of ["a", "b"]) flights.land(key, 0);
				for (const [name, turns] of told) expect(turns, name).toHaveLength(1);
			}),
		);
	});

	test("a lead without a sign of life is followed by who has waited longest", () => {
		const flights = new SingleFlight<string>(10);
		const turns: string[] = [];
		expect(flights.join("k", "a", 0)).toBe(true);
		for (const asker of ["b", "c"]) {
			expect(flights.join("k", asker, 1)).toBe(false);
			flights.wait("k", asker, ({ kind }) => turns.push(`${asker} ${kind}`));
		}
		flights.renew("k", "a", 8);
		expect(flights.expire(11)).toBe(18);
		expect(flights.expire(18)).toBe(28);
		expect(turns).toEqual(["b lead"]);
		// The first comes back after all: its answer is as good as any.
		flights.land("k", "x");
		expect(turns).toEqual(["b lead", "c answer"]);
		expect(flights.join("k", "d", 19)).toBe(true);
	});
});

describe("rules", () => {
	const rule = (part: Partial<Rule>): Rule => ({ id: "r", answer: "x", ...part });

	test.each<[string, Partial<Rule>, string, boolean]>([
		["all of several texts", { contains_all: ["red", "blue  sky"] }, "BLUE\n sky and Red", true],
		["not all of them", { contains_all: ["red", "blue"] }, "red", false],
		["any of several", { contains_any: ["red", "blue"] }, "so blue", true],
		["a whole word", { words: ["art"] }, "the Art, of", true],
		["no part of a word", { words: ["art"] }, "party", false],
		["the text itself", { equals: ["hello"] }, " Hello!! ", true],
		["more than the text", { equals: ["hello"] }, "hello there", false],
		["two kinds at once", { words: ["red"], contains_any: ["x"] }, "red", false],
		["nothing named", {}, "anything", false],
	])("%s", (_, part, prompt, meets) => {
		expect(matchingRule([rule(part)], prompt) !== null).toBe(meets);
	});

	test("the first that is met answers, in little time whatever the prompt is", () => {
		const rules = [
			rule({ id: "a", words: ["zebra"] }),
			rule({ id: "b", contains_any: ["a".repeat(1_000)] }),
			rule({ id: "c", equals: ["a"] }),
		];
		expect(matchingRule(rules, "zebra a")?.id).toBe("a");
		for (const prompt of ["a".repeat(1_000_000), " ".repeat(1_000_000), "a ".repeat(500_000), "!".repeat(1_000_000)])
			expect(matchingRule(rules, prompt)?.id).toBe(prompt.startsWith("aaa") ? "b" : undefined);
		fc.assert(fc.property(fc.string(), (prompt) => void matchingRule(rules, prompt)));
	});

	test("one is chosen where what it may lose is worth less than what the model costs", () => {
		const poor = rule({ quality: 0.6 });
		expect(cannedScore(rule({}), 0.9, 0.05)).toBe(0);
		expect(isCannedChosen(rule({}), 0, 0.9, 0.05)).toBe(true);
		expect(isCannedChosen(poor, 0.01, 0.9, 0.05)).toBe(false);
		expect(isCannedChosen(poor, 0.02, 0.9, 0.05)).toBe(true);
	});
});
