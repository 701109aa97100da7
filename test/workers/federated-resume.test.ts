import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import { ShardMaking } from "../../durable-objects/shard.making.ts";
import type { MakingPlan, ShardPort } from "../../durable-objects/shard.messages.ts";
import { ShardStagingStore } from "../../durable-objects/shard.staging.store.ts";
import { ShardVersionStore } from "../../durable-objects/shard.version.store.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";

/** More rows than are written at once, which are four of plain weights. */
const ROWS = 10;
const PLACE = { run: "run_resume", shard: 0, begin: 0, end: ROWS * ROW_PARAMETERS } as const;
const row = (value: number): Float32Array<ArrayBuffer> => new Float32Array(ROW_PARAMETERS).fill(value);
const ADAM = { name: "adam", learning_rate: 0.1, beta_1: 0.9, beta_2: 0.99, tau: 0.001, preset: "paper" } as const;
const PLAN = {
	kind: "flush",
	version: 1,
	parent: 0,
	step: 1,
	updates: [{ id: "u", encoding: "f32", coefficient: 1 }],
	bases: [],
	rule: { name: "fedavg" },
	optimiser: ADAM,
} as unknown as MakingPlan;

let shards = 0;
/** A shard with version 0 and an update, each row with values of its own. */
async function newShard() {
	const stub = env.SHARD.getByName(`run_resume/${shards++}`);
	const port = stub as unknown as ShardPort;
	await port.create(PLACE);
	for (let at = 0; at < ROWS; at++) {
		const values = row(at);
		await port.putInitialRow(1, at, new Uint8Array(values.buffer), await crypto.subtle.digest("SHA-256", values));
	}
	await port.finishInitial(1);
	const digests: [number, string][] = [];
	for (let part = 0, at = 0; at < ROWS; part++) {
		const end = Math.min(ROWS, at + 8);
		const place = {
			update: "u",
			part,
			encoding: "f32",
			begin: at * ROW_PARAMETERS,
			end: end * ROW_PARAMETERS,
		} as const;
		const opened = await port.open(place, `${part}`);
		if (!("upload" in opened)) throw new Error("nothing is here yet");
		for (let first = at; at < end; at++) await port.putRows(opened.upload, at - first, encode("f32", row(1 + at)));
		await port.close(opened.upload, `${part}`);
		digests.push([part, `${part}`]);
	}
	await port.seal("u", "f32", digests);
	return { stub, port };
}

let undisturbed: Uint8Array;
async function made(port: ShardPort): Promise<Uint8Array> {
	return vi.waitFor(
		async () => {
			const progress = await port.make(1, 1, PLAN);
			if (progress.state !== "made") throw new Error(progress.state);
			return progress.rowDigests;
		},
		{ timeout: 20_000, interval: 20 },
	);
}

beforeAll(async () => {
	undisturbed = await made((await newShard()).port);
});

test("a shard that is evicted between any two writes goes on with the row that is not there yet", async () => {
	const { stub, port } = await newShard();
	const seen: number[] = [];
	await runInDurableObject<DurableObject, void>(stub, (_, { storage }) =>
		new ShardVersionStore(storage).begin(1, 1, PLAN),
	);
	for (let turns = 0; turns < ROWS; turns++) {
		// One write at a time: the one after it finds that others have come first, as after a crash.
		const next = await runInDurableObject<DurableObject, number | null>(stub, async (_, { storage }) => {
			const versions = new ShardVersionStore(storage);
			const { put, writes } = oneWrite(versions);
			const making = versions.making();
			if (!making) return null;
			seen.push(making.rowsMade);
			await new ShardMaking(new ShardStagingStore(storage), put).slice(PLACE);
			expect(writes()).toEqual([making.rowsMade]);
			return versions.making()?.rowsMade ?? null;
		});
		await evictDurableObject(stub);
		if (next === null) break;
	}
	// Two rows with two arrays of state each are a write.
	expect(seen).toEqual([0, 2, 4, 6, 8]);
	expect(await made(port)).toEqual(undisturbed);
});

/** The store, but that it takes one write and refuses what follows, and the rows at which writes began. */
function oneWrite(versions: ShardVersionStore) {
	const begun: number[] = [];
	const put = new Proxy(versions, {
		get(target, name) {
			if (name === "putMade") {
				return (...args: Parameters<ShardVersionStore["putMade"]>) => {
					if (begun.length > 0) return false;
					begun.push(args[0].rowsMade);
					return target.putMade(...args);
				};
			}
			const value: unknown = Reflect.get(target, name, target);
			return typeof value === "function" ? (value.bind(target) as unknown) : value;
		},
	});
	return { put, writes: () => begun };
}
