// Calls shard objects as a run does, and reads the rows of a flush in the same object and does nothing else with them. What is to be done
// stands in the header `x-run`; the caller takes the time. `./index.js` is the Worker as it is deployed.
import { AnswerCache, Ledger, Router, Run, Scheduler, Shard } from "./index.js";

export { AnswerCache, Ledger, Router, Run, Scheduler };

const ROW = 2 ** 18;
const ROWS_PER_PART = 8;
const ROWS_PER_TURN = 64;

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
					for (let at = row; at < end; at++) await object.putRows(upload, at - row, bytes);
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
				while ((await shardOf(env, shard).make(version, version, making)).state !== "made") await scheduler.wait(2);
			}),
		);
	},

	async forget(env, { shards, version }) {
		for (const shard of shards) await shardOf(env, shard).keepOnly([0], version);
		await scheduler.wait(50);
	},

	// The rows that a version is made of.
	async read(env, { shards, rows, updates }) {
		await shardOf(env, shards[0]).read(rows, updates);
	},
};

function shardOf(env, shard) {
	return env.SHARD.getByName(`bench/${shard}`);
}

export class MeasuredShard extends Shard {
	// By the statements of a flush, each row given back at once, and others get their turn as often.
	async read(rows, updates) {
		const { begin_at: begin } = this.ctx.storage.sql.exec("SELECT begin_at FROM shard").one();
		let read = 0;
		for (let row = 0; row < rows; row++) {
			this.rows(0, row, 1).buffer.transfer(0);
			for (const update of updates) {
				this.partRow(update, "f32", begin + row * ROW).buffer.transfer(0);
				if (++read % ROWS_PER_TURN === 0) await scheduler.wait(0);
			}
		}
	}
}
