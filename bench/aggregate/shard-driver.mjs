// Calls shard objects as a run does, and reads rows of the same size from an object of its own that does nothing else. What is to be done
// stands in the header `x-run`; the caller takes the time.
import { DurableObject } from "cloudflare:workers";

const ROW = 2 ** 18;
const ROWS_PER_PART = 8;

export default {
	async fetch(request, env) {
		const { action, ...run } = JSON.parse(request.headers.get("x-run"));
		await ACTIONS[action](env, run);
		return new Response("done");
	},
};

const ACTIONS = {
	// Updates in f32 for every shard, sealed, and version 0.
	async fill(env, { shards, rows, updates }) {
		const bytes = new Uint8Array(new Float32Array(ROW).fill(0.5).buffer);
		for (const shard of shards) {
			const object = shardOf(env, shard);
			const begin = shard * rows * ROW;
			await object.create({ run: "bench", shard, begin, end: begin + rows * ROW });
			for (let row = 0; row < rows; row++) await object.putInitialRow(1, row, bytes, new ArrayBuffer(32));
			await object.finishInitial(1);
			for (const update of updates) {
				const digests = [];
				for (let row = 0; row < rows; row += ROWS_PER_PART) {
					const end = Math.min(rows, row + ROWS_PER_PART);
					const part = row / ROWS_PER_PART;
					const place = { update, part, encoding: "f32", begin: begin + row * ROW, end: begin + end * ROW };
					const { upload } = await object.open(place, `${part}`);
					for (let at = row; at < end; at++) await object.putRow(upload, at - row, bytes);
					await object.close(upload, `${part}`);
					digests.push([part, `${part}`]);
				}
				await object.seal(update, "f32", digests);
			}
		}
	},

	// A version of all updates; then the one before it may go.
	async make(env, { shards, version, updates }) {
		const planned = updates.map((id) => ({ id, encoding: "f32", coefficient: 1 / updates.length }));
		const plan = { version, parent: 0, step: 1, updates: planned, bases: [], rule: { name: "fedavg" } };
		const making = { kind: "flush", ...plan, optimiser: { name: "sgd", learning_rate: 1, momentum: 0 } };
		await Promise.all(
			shards.map(async (shard) => {
				while ((await shardOf(env, shard).make(version, version, making)).state !== "made") await scheduler.wait(1);
			}),
		);
	},

	async forget(env, { shards, version }) {
		for (const shard of shards) await shardOf(env, shard).keepOnly([0], version);
		await scheduler.wait(50);
	},

	async rawFill(env, { rows }) {
		await env.RAW.getByName("raw").fill(rows);
	},

	async rawRead(env) {
		await env.RAW.getByName("raw").read();
	},
};

function shardOf(env, shard) {
	return env.SHARD.getByName(`bench/${shard}`);
}

export class RawReader extends DurableObject {
	fill(rows) {
		const { sql } = this.ctx.storage;
		sql.exec("CREATE TABLE raw (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
		const bytes = new Float32Array(ROW).fill(0.5);
		for (let id = 0; id < rows; id++) sql.exec("INSERT INTO raw VALUES (?, ?)", id, bytes);
	}

	// One statement a row, as a flush reads them.
	async read() {
		const { sql } = this.ctx.storage;
		const { rows } = sql.exec("SELECT count(*) AS rows FROM raw").one();
		let sum = 0;
		for (let id = 0; id < rows; id++) {
			sum += sql.exec("SELECT bytes FROM raw WHERE id = ?", id).one().bytes.byteLength;
			// Others get their turn as often as in a flush.
			if (id % 32 === 31) await scheduler.wait(0);
		}
		return sum;
	}
}
