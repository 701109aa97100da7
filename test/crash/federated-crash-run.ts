import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar } from "../../scripts/local.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import { ENCODINGS, type Encoding } from "../../src/shared/federated/encoding.ts";
import { recomputedDigest, type Evidence } from "../../src/shared/federated/recompute.ts";
import { updateId } from "../../src/shared/federated/run.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { safetensors, TestOperator, type Json, type TestClient } from "../support/federated-client.ts";
import { Killer, Place } from "./killer.ts";
import { mulberry32 } from "./random.ts";

/** Two shards of four rows, the last one short: with their state, which is twice as large, two rows are a write, so that a flush has
 *  several moments in each shard. */
const SHARD_PARAMETERS = 4 * ROW_PARAMETERS;
const PARAMETERS = 7 * ROW_PARAMETERS + 1_000;
const CLIENTS = 3;
const ROUNDS = 4;
const ADMIN_TOKEN = "crash";
/** How long a client tries to get through one round. */
const PATIENCE_SECONDS = 60;
/** Every other run passes through the inner products of the updates as well. */
const RULES = [{ name: "fedavg" }, { name: "multikrum", f: 0, m: 2 }];
const SPECIFICATION = {
	flush: { when: "count", count: CLIENTS },
	server_optimiser: { name: "yogi" },
	shard_parameters: SHARD_PARAMETERS,
	retention: { versions: ROUNDS + 2 },
};

/** What has begun when workerd is killed: the initial weights' upload; a client's upload and its commit; a flush, the round's last
 *  commit having been answered; a roll back. */
type Step = "weights" | "upload" | "commit" | "flush" | "rollback";

export interface FederatedCrashReport {
	readonly seed: number;
	readonly kills: readonly string[];
	/** Calls that clients had to repeat. */
	readonly repeated: number;
	readonly acknowledged: number;
	/** Kills while a version was being made. */
	readonly inMaking: number;
}

/** Three clients go through four rounds, and the run back to its first version, while workerd is killed (SIGKILL) five times: in the midst
 *  of the weights' upload, of uploads, commits and flushes, and of the roll back. Throws when an update that was acknowledged is lost, one
 *  counts twice, or a version has other bits than those that its updates make undisturbed. */
export async function federatedCrashRun(seed: number): Promise<FederatedCrashReport> {
	const random = mulberry32(seed);
	const persist = await mkdtemp(join(tmpdir(), "isobar-crash-"));
	const options = { persist, secrets: { ADMIN_TOKEN }, settings: { logRequests: false }, onLog: () => {} };
	const place = new Place(await startIsobar(options), () => startIsobar(options));
	try {
		const { key } = await new AdminClient(place.isobar.url, ADMIN_TOKEN).createKey({ tenant: "crash" });
		const operator = new TestOperator(place.isobar.url, key, fetch);
		const clients: TestClient[] = [];
		place.onMove = (url) => [operator, ...clients].forEach((each) => each.moveTo(url));
		const any = (most: number): number => 1 + Math.floor(random() * most);
		const at = {
			weights: { step: any(2), withinMs: 60 },
			upload: { step: any(CLIENTS * ROUNDS), withinMs: 60 },
			commit: { step: any(CLIENTS * ROUNDS), withinMs: 30 },
			flush: { step: any(ROUNDS), withinMs: 60 },
			rollback: { step: 1, withinMs: 60 },
		};
		const killer = new Killer<Step>(place, random, at);
		const run = await startRun(operator, seed, killer);
		for (let i = 0; i < CLIENTS; i++) clients.push(await operator.join(run));
		const acknowledged = new Map<string, number>();
		let repeated = 0;
		const work = clients.map(async (client, index) => {
			for (let round = 1; round <= ROUNDS; round++) {
				for (const start = Date.now(); ;) {
					const done = await roundOf(client, index, round, seed, killer, acknowledged).catch(() => false);
					if (done) break;
					repeated++;
					if (Date.now() - start > PATIENCE_SECONDS * 1_000)
						throw new Error(`seed ${seed}: round ${round} does not end`);
					await new Promise((resolve) => setTimeout(resolve, 20));
				}
			}
		});
		await Promise.all(work);
		await killer.idle();
		await operator.untilVersion(run, ROUNDS, PATIENCE_SECONDS);
		await check(operator, run, clients, seed, acknowledged);
		const makings = [...(await flushesOf(operator, run)), await rollBack(operator, run, seed, killer)];
		const inMaking = killer.killedAt.filter((at) => makings.some(({ from, to }) => from < at && at < to)).length;
		return { seed, kills: killer.kills, repeated, acknowledged: acknowledged.size, inMaking };
	} finally {
		await place.isobar.stop().catch(() => {});
		await rm(persist, { recursive: true, force: true });
	}
}

/** A run with the seed's weights, which are sent in two ranges, each until it has come through. */
async function startRun(operator: TestOperator, seed: number, killer: Killer<Step>): Promise<string> {
	const model = { w: { dtype: "F32", shape: [PARAMETERS], data_offsets: [0, PARAMETERS * 4] } };
	const specification = { ...SPECIFICATION, model, rule: RULES[seed % RULES.length] };
	const { id } = (await operator.call("POST", "/v1/runs", specification)).body;
	const file = safetensors(model, values(seed, 0, 0));
	const path = `/v1/runs/${id}/weights`;
	for (let next = 0; next < file.length;) {
		killer.at("weights");
		const end = next === 0 ? file.length >> 1 : file.length;
		const headers = { "content-range": `bytes ${next}-${end - 1}/${file.length}` };
		const put = operator.raw("PUT", path, { body: file.slice(next, end), headers });
		await put.then((response) => response.text()).catch(() => {});
		await killer.idle();
		next = (await operator.call("GET", path)).body.next_byte;
	}
	const started = await operator.call("POST", `/v1/runs/${id}/start`);
	if (started.status !== 200) throw new Error(`seed ${seed}: ${JSON.stringify(started.body)}`);
	return id as string;
}

/** Back to the first version, whose weights the new one has, to the bit, and its optimiser's state. */
async function rollBack(operator: TestOperator, run: string, seed: number, killer: Killer<Step>): Promise<Making> {
	const made = ROUNDS + 1;
	let from = Infinity;
	const isBegun = async (): Promise<boolean> => {
		const { version, making } = (await operator.call("GET", `/v1/runs/${run}`)).body;
		return version === made || making?.version === made;
	};
	for (let tries = 0; !(await isBegun());) {
		if (tries++ === 3) throw new Error(`seed ${seed}: the roll back does not begin`);
		const asked = operator.call("POST", `/v1/runs/${run}/rollback`, { version: 1 });
		killer.at("rollback");
		await asked.then(() => (from = Date.now() / 1_000)).catch(() => {});
		await killer.idle();
	}
	await operator.untilVersion(run, made, PATIENCE_SECONDS);
	for (const path of ["", "/state/0", "/state/1"]) {
		const [first, back] = await Promise.all(
			[1, made].map(async (version) => {
				const response = await operator.raw("GET", `/v1/runs/${run}/versions/${version}${path}`);
				const bytes = new Uint8Array(await response.arrayBuffer());
				// Behind the header, which names the version.
				return bytes.slice(path === "" ? -4 * PARAMETERS : 0);
			}),
		);
		if (first!.length !== 4 * PARAMETERS || Buffer.compare(first!, back!) !== 0) {
			throw new Error(`seed ${seed}: version ${made} is not version 1 (${path || "weights"})`);
		}
	}
	return { from, to: (await madeAt(operator, run)).get(made) ?? Number.NaN };
}

/** From when to when a version was being made, Unix seconds. */
interface Making {
	readonly from: number;
	readonly to: number;
}

async function flushesOf(operator: TestOperator, run: string): Promise<readonly Making[]> {
	const made = await madeAt(operator, run);
	const { data } = (await operator.call("GET", `/v1/runs/${run}/rounds`)).body;
	return data
		.filter(({ version }: Json) => version !== null)
		.map(({ closed_at: from, version }: Json) => ({ from, to: made.get(version as number) ?? Number.NaN }));
}

async function madeAt(operator: TestOperator, run: string): Promise<ReadonlyMap<number, number>> {
	const { data } = (await operator.call("GET", `/v1/runs/${run}/versions`)).body;
	return new Map(data.map(({ version, made_at }: Json) => [version, made_at]));
}

/** One round of a client, from the start: whatever of it was done before is found to be done. */
async function roundOf(
	client: TestClient,
	index: number,
	round: number,
	seed: number,
	killer: Killer<Step>,
	acknowledged: Map<string, number>,
): Promise<boolean> {
	const task = await client.task("?wait=2");
	// Its update of this round was decided, but the answer was lost.
	if (!task) return (await client.call("GET", `/updates/${updateId(round, client.id)}`)).body.state === "accepted";
	if (task.round > round) return true;
	const encoding = encodingOf(seed, index, round);
	killer.at("upload");
	const parts = await client.putParts(task.update, values(seed, index + 1, round), encoding);
	killer.at("commit");
	const decided = await client.commit(task.update, parts, { encoding, examples: index + 1 });
	if (decided.status !== 200 || decided.body.state === "refused") return false;
	acknowledged.set(task.update, round);
	if ([...acknowledged.values()].filter((each) => each === round).length === CLIENTS) killer.at("flush");
	return true;
}

async function check(
	operator: TestOperator,
	run: string,
	clients: readonly TestClient[],
	seed: number,
	acknowledged: ReadonlyMap<string, number>,
): Promise<void> {
	const { data } = (await operator.call("GET", `/v1/runs/${run}/audit`)).body;
	if (data.length !== ROUNDS + 1) throw new Error(`seed ${seed}: ${data.length} versions`);
	const evidence = await evidenceOf(operator, run, clients, seed);
	for (const { version, digest, made } of data.slice(1)) {
		const ids = made.updates.map(({ id }: Json) => id as string);
		const expected = clients.map(({ id }) => updateId(version, id)).sort();
		if (ids.join() !== expected.join())
			throw new Error(`seed ${seed}: version ${version} is made of ${ids.join(", ")}`);
		const plan = { version, ...made, bases: [] };
		const undisturbed = await recomputedDigest(plan, PARAMETERS, evidence);
		if (undisturbed !== digest)
			throw new Error(`seed ${seed}: version ${version} has digest ${digest}, not ${undisturbed}`);
	}
	for (const [update, round] of acknowledged) {
		const { body } = await operator.call("GET", `/v1/runs/${run}/updates/${update}`);
		if (body.state !== "accepted" || body.version !== round) {
			throw new Error(`seed ${seed}: ${update} was acknowledged and is ${JSON.stringify(body)}`);
		}
	}
	const { body } = await operator.call("GET", `/v1/runs/${run}/participation`);
	for (const { client, accepted } of body.data) {
		if (accepted !== ROUNDS) throw new Error(`seed ${seed}: ${accepted} updates of ${client} count`);
	}
}

/** The clients' own updates; of the run only its versions and the optimiser's state after each. */
async function evidenceOf(
	operator: TestOperator,
	run: string,
	clients: readonly TestClient[],
	seed: number,
): Promise<Evidence> {
	const models = new Map<number, Float32Array>();
	return {
		async weights(version, row) {
			let model = models.get(version);
			if (!model) models.set(version, (model = await operator.weights(run, version)));
			return Float32Array.from(rowIn(model, row));
		},
		async optimiserState(version, row) {
			if (version === 0) return [1e-6, 0].map((value) => new Float32Array(rowLength(row)).fill(value));
			return Promise.all(
				[0, 1].map(async (array) => {
					const response = await operator.raw("GET", `/v1/runs/${run}/versions/${version}/state/${array}?row=${row}`);
					return new Float32Array(await response.arrayBuffer());
				}),
			);
		},
		async update(id, row) {
			const index = clients.findIndex((client) => id.endsWith(client.id));
			const round = Number(id.split("_")[1]);
			return encode(encodingOf(seed, index, round), rowIn(values(seed, index + 1, round), row));
		},
	};
}

function rowIn(all: Float32Array, row: number): Float32Array {
	return all.subarray(row * ROW_PARAMETERS, row * ROW_PARAMETERS + rowLength(row));
}

function rowLength(row: number): number {
	return Math.min(ROW_PARAMETERS, PARAMETERS - row * ROW_PARAMETERS);
}

function encodingOf(seed: number, index: number, round: number): Encoding {
	return ENCODINGS[(seed + index + round) % ENCODINGS.length]!;
}

/** What a client makes of a round; of client 0 the initial weights. */
function values(seed: number, client: number, round: number): Float32Array<ArrayBuffer> {
	const key = seed * 1_000 + client * 100 + round;
	const known = drawn.get(key);
	if (known) return known;
	// Those of an earlier seed are not asked for again.
	if (drawn.size > 4 * CLIENTS * ROUNDS) drawn.clear();
	const random = mulberry32(key);
	const all = new Float32Array(PARAMETERS);
	for (let i = 0; i < PARAMETERS; i++) all[i] = random() - 0.5;
	drawn.set(key, all);
	return all;
}
const drawn = new Map<number, Float32Array<ArrayBuffer>>();
