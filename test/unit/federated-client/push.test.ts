import { expect, test } from "vitest";
import { push } from "../../../clients/typescript/src/push.ts";
import { MemoryStore } from "../../../clients/typescript/src/store.ts";
import { UpdateStore, type PreparedUpdate } from "../../../clients/typescript/src/update.ts";
import { partsOf, shardsOf } from "../../../src/shared/federated/shard-plan.ts";
import { FakeRun, type Answer } from "./fake-run.ts";

const ROW = 2 ** 18;
const TASK = {
	update: "up_1",
	round: 1,
	base: { version: 0, digest: "0".repeat(64) },
	deadline: 0,
	config: {},
	encodings: ["f16" as const],
	weight_max: 1,
};

/** An update of three parts. */
async function prepared(): Promise<{ readonly store: UpdateStore; readonly update: PreparedUpdate }> {
	const store = new UpdateStore(new MemoryStore());
	const base = new Float32Array(2 * ROW + 5);
	const trained = base.map((_, i) => i % 17);
	const parts = partsOf(shardsOf(base.length, ROW), "f16");
	const update = await store.prepare(TASK, { encoding: "f16", parts }, base, trained, { examples: 3, loss: 0.5 });
	return { store, update };
}

/** A run that has staged parts, and loses some when it is first asked to commit. */
class Staging {
	readonly staged = new Map<number, string>();
	lost: number[] = [];
	puts: number[] = [];
	commits: unknown[] = [];

	readonly answer: Answer = async (request) => {
		const { pathname } = new URL(request.url);
		const part = /parts\/(\d)$/.exec(pathname)?.[1];
		if (part !== undefined) {
			this.puts.push(Number(part));
			this.staged.set(
				Number(part),
				Buffer.from(request.headers.get("content-digest")!.slice(9, -1), "base64").toString("hex"),
			);
			return Response.json({ object: "part" }, { status: 201 });
		}
		if (request.method === "GET") {
			const stored = [...this.staged].map(([part, digest]) => ({ part, digest }));
			return Response.json({ state: "open", parts: { total: 3, stored, missing: [] } });
		}
		this.commits.push(await request.json());
		for (const part of this.lost) this.staged.delete(part);
		if (this.lost.length === 0) return Response.json({ id: "up_1", state: "pending", round: 1 });
		const missing = this.lost;
		this.lost = [];
		return Response.json({ error: { code: "parts_missing", details: { missing } } }, { status: 409 });
	};
}

test("sends what is missing, commits to the digests, and tells how far it is", async () => {
	const { store, update } = await prepared();
	const run = new Staging();
	run.staged.set(1, update.digests[1]!).set(2, "0".repeat(64));
	const told: number[] = [];
	const decision = await push(await new FakeRun(run.answer).transport(), store, update, (bytes) => told.push(bytes));
	expect(decision).toMatchObject({ state: "pending", round: 1 });
	expect(run.puts.toSorted((a, b) => a - b)).toEqual([0, 2]);
	expect(run.commits).toEqual([{ encoding: "f16", parts: update.digests, examples: 3, loss: 0.5 }]);
	expect(told.at(-1)).toBe(update.bytes);
	expect(update.bytes).toBe(2 * (2 * ROW + 5));
});

test("sends again what the run has lost before it was asked to commit", async () => {
	const { store, update } = await prepared();
	const run = new Staging();
	run.lost = [0, 2];
	await push(await new FakeRun(run.answer).transport(), store, update, () => {});
	expect(run.puts.slice(3).toSorted((a, b) => a - b)).toEqual([0, 2]);
	expect(run.commits).toHaveLength(2);
});

test("an update that was decided meanwhile is not sent, whichever answer says so", async () => {
	const { store, update } = await prepared();
	const decision = { id: "up_1", state: "refused", reason: { code: "late", message: "it is late" } };
	const known = new FakeRun(() => Response.json(decision));
	expect(await push(await known.transport(), store, update, () => {})).toEqual(decision);
	expect(known.requests).toHaveLength(1);
	const closed = new FakeRun(
		() => Response.json({ state: "open", parts: { total: 3, stored: [], missing: [0, 1, 2] } }),
		() => Response.json({ error: { code: "update_closed", details: { update: decision } } }, { status: 409 }),
	);
	expect(await push(await closed.transport(), store, update, () => {})).toEqual(decision);
});

test("an update that nothing helps is given up after some tries", async () => {
	const { store, update } = await prepared();
	const run = new Staging();
	const answer: Answer = (request, signature) => {
		run.lost = [1];
		return run.answer(request, signature);
	};
	await expect(push(await new FakeRun(answer).transport(), store, update, () => {})).rejects.toMatchObject({
		code: "parts_missing",
	});
	expect(run.commits).toHaveLength(5);
});

test("an update stands in its store as a whole or not at all", async () => {
	const memory = new MemoryStore();
	const store = new UpdateStore(memory);
	const base = new Float32Array(ROW + 5);
	const parts = partsOf(shardsOf(base.length, ROW), "f32");
	const trained = base.map((_, i) => (i === ROW + 2 ? NaN : 1));
	const preparing = store.prepare(TASK, { encoding: "f32", parts }, base, trained, { examples: 1 });
	await expect(preparing).rejects.toThrow(`parameter ${ROW + 2} of the trained model is not finite`);
	expect(await store.read()).toBeNull();
	await store.prepare(TASK, { encoding: "f32", parts }, base, base, { examples: 1 });
	await store.clear();
	expect(await memory.names("")).toEqual([]);
});
