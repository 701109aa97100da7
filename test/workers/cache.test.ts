import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { CACHE_MIGRATIONS } from "../../durable-objects/cache.migrations.ts";
import { CacheStore } from "../../durable-objects/cache.store.ts";
import { migrate } from "../../durable-objects/sql-migrations.ts";
import type { StoredAnswer } from "../../src/shared/router/cache-messages.ts";
import { CACHE_ANSWER_BYTES_MAX } from "../../src/shared/router/bounds.ts";

let tenants = 0;
const newCache = () => env.CACHE.getByName(`cache-${tenants++}`);

function answer(text: string): StoredAnswer {
	return { contentType: "application/json", model: "m", body: new TextEncoder().encode(text) };
}

const textOf = ({ body }: StoredAnswer): string => new TextDecoder().decode(body);

describe("what was answered once", () => {
	test("is given again, byte for byte, also after an eviction and after a kill", async () => {
		const stub = newCache();
		expect(await stub.ask("k", "a")).toEqual({ kind: "lead" });
		await stub.give("k", answer("héllo"), 60);
		for (const gone of [async () => {}, () => evictDurableObject(stub), () => abortAllDurableObjects()]) {
			await gone();
			const again = env.CACHE.get(stub.id);
			const reply = await again.ask("k", "b");
			expect(reply).toMatchObject({
				kind: "hit",
				joined: false,
				answer: { contentType: "application/json", model: "m" },
			});
			if (reply.kind === "hit") expect(textOf(reply.answer)).toBe("héllo");
		}
		expect(await env.CACHE.get(stub.id).ask("another", "c")).toEqual({ kind: "lead" });
	});

	test("is not given after its time, and then forgotten by the alarm", async () => {
		const stub = newCache();
		await stub.give("short", answer("x"), 0);
		await stub.give("long", answer("y"), 60);
		expect(await stub.ask("short", "a")).toEqual({ kind: "lead" });
		expect((await stub.size()).answers).toBe(2);
		expect(await runDurableObjectAlarm(stub)).toBe(true);
		expect((await stub.size()).answers).toBe(1);
	});

	test("is not kept when it is longer than a row may be, but those who wait get it", async () => {
		const stub = newCache();
		await stub.ask("k", "a");
		await stub.ask("k", "b");
		const waiting = stub.wait("k", "b");
		await stub.give("k", answer("z".repeat(CACHE_ANSWER_BYTES_MAX + 1)), 60);
		expect(await waiting).toMatchObject({ kind: "hit", joined: true });
		expect(await stub.size()).toEqual({ answers: 0, bytes: 0 });
	});
});

describe("identical requests in flight", () => {
	test("one leads, the others get its answer", async () => {
		const stub = newCache();
		const replies = await Promise.all(["a", "b", "c"].map((asker) => stub.ask("k", asker)));
		expect(replies.map(({ kind }) => kind)).toEqual(["lead", "wait", "wait"]);
		const waiting = [stub.wait("k", "b"), stub.wait("k", "c")];
		await stub.give("k", answer("same"), 60);
		for (const reply of await Promise.all(waiting)) {
			expect(reply).toMatchObject({ kind: "hit", joined: true });
			if (reply?.kind === "hit") expect(textOf(reply.answer)).toBe("same");
		}
	});

	test("a lead that fails hands over to who has waited longest, and those who leave are skipped", async () => {
		const stub = newCache();
		for (const asker of ["a", "b", "c", "d"]) await stub.ask("k", asker);
		const [b, c, d] = ["b", "c", "d"].map((asker) => stub.wait("k", asker));
		await stub.forgo("k", "b");
		expect(await b).toBeNull();
		await stub.forgo("k", "a");
		expect(await c).toEqual({ kind: "lead" });
		await stub.give("k", answer("second try"), 60);
		expect(await d).toMatchObject({ kind: "hit", joined: true });
	});

	test("who comes when the answer has landed between its two calls gets it", async () => {
		const stub = newCache();
		await stub.ask("k", "a");
		expect(await stub.ask("k", "b")).toEqual({ kind: "wait" });
		await stub.give("k", answer("x"), 60);
		expect(await stub.wait("k", "b")).toMatchObject({ kind: "hit", joined: true });
	});

	test("after a restart nobody is at it: who waits then leads", async () => {
		const stub = newCache();
		await stub.ask("k", "a");
		await stub.ask("k", "b");
		await evictDurableObject(stub);
		expect(await env.CACHE.get(stub.id).wait("k", "b")).toEqual({ kind: "lead" });
	});
});

describe("the store's bounds", () => {
	test("the answer that was used longest ago goes first, by bytes and by number", async () => {
		await runInDurableObject(newCache(), (_, { storage }) => {
			migrate(storage, CACHE_MIGRATIONS);
			const store = new CacheStore(storage, { answerBytesMax: 1_000, bytesMax: 4_000, answersMax: 3 });
			const kept = (now: number) => ["a", "b", "c", "d", "e"].filter((key) => store.read(key, now) !== null);
			for (const [at, key] of ["a", "b", "c"].entries()) store.write(key, answer("x"), 1e6, at);
			store.read("a", 1_000);
			store.write("d", answer("x"), 1e6, 1_001);
			expect(kept(1_001)).toEqual(["a", "c", "d"]);
			store.write("e", answer("x".repeat(1_000)), 1e6, 2_000);
			store.write("b", answer("x".repeat(1_000)), 1e6, 2_001);
			store.write("c", answer("x".repeat(1_000)), 1e6, 2_002);
			expect(store.bytes).toBeLessThanOrEqual(4_000);
			expect(kept(2_002)).toEqual(["b", "c"]);
			// The sums are those of the rows.
			const again = new CacheStore(storage, { answerBytesMax: 1_000, bytesMax: 4_000, answersMax: 3 });
			expect([again.bytes, again.answers]).toEqual([store.bytes, store.answers]);
			again.purge(1e9);
			expect([again.bytes, again.answers]).toEqual([0, 0]);
		});
	});
});
