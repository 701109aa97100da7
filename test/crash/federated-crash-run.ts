import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";
import { encode } from "../../src/shared/federated/encode.ts";
import { ENCODINGS, type Encoding } from "../../src/shared/federated/encoding.ts";
import { recomputedDigest, type Evidence } from "../../src/shared/federated/recompute.ts";
import { updateId } from "../../src/shared/federated/run.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { TestOperator, type Json, type TestClient } from "../support/federated-client.ts";
import { mulberry32 } from "./random.ts";

/** Two shards: a whole row, and a short one. */
const PARAMETERS = ROW_PARAMETERS + 1_000;
const CLIENTS = 3;
const ROUNDS = 4;
const KILLS = 3;
const ADMIN_TOKEN = "crash";
/** How long a client tries to get through one round. */
const PATIENCE_SECONDS = 60;
/** Every other run passes through the inner products of the updates as well. */
const RULES = [{ name: "fedavg" }, { name: "multikrum", f: 0, m: 2 }];
const SPECIFICATION = {
	flush: { when: "count", count: CLIENTS },
	server_optimiser: { name: "yogi" },
	shard_parameters: ROW_PARAMETERS,
	retention: { versions: ROUNDS + 1 },
};

/** The step of a client after whose beginning workerd is killed. */
type Step = "upload" | "commit" | "committed";
const STEPS: readonly Step[] = ["upload", "commit", "committed"];

export interface FederatedCrashReport {
	readonly seed: number;
	readonly kills: readonly string[];
	/** Calls that clients had to repeat. */
	readonly repeated: number;
	readonly acknowledged: number;
}

/** Three clients go through four rounds while workerd is killed (SIGKILL) three times: in the midst of uploads, of commits and of flushes.
 *  Throws when an update that was acknowledged is lost, one counts twice, or a version has other bits than those that its updates
 *  make undisturbed. */
export async function federatedCrashRun(seed: number): Promise<FederatedCrashReport> {
	const random = mulberry32(seed);
	const persist = await mkdtemp(join(tmpdir(), "isobar-crash-"));
	const options = { persist, secrets: { ADMIN_TOKEN }, settings: { logRequests: false }, onLog: () => {} };
	const place = new Place(await startIsobar(options), () => startIsobar(options));
	try {
		const { key } = await new AdminClient(place.isobar.url, ADMIN_TOKEN).createKey({ tenant: "crash" });
		const operator = new TestOperator(place.isobar.url, key, fetch);
		const run = await operator.startRun({ ...SPECIFICATION, rule: RULES[seed % RULES.length] }, values(seed, 0, 0));
		const clients: TestClient[] = [];
		for (let i = 0; i < CLIENTS; i++) clients.push(await operator.join(run));
		place.onMove = (url) => [operator, ...clients].forEach((each) => each.moveTo(url));

		const killer = new Killer(place, random);
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
		return { seed, kills: killer.kills, repeated, acknowledged: acknowledged.size };
	} finally {
		await place.isobar.stop().catch(() => {});
		await rm(persist, { recursive: true, force: true });
	}
}

/** One round of a client, from the start: whatever of it was done before is found to be done. */
async function roundOf(
	client: TestClient,
	index: number,
	round: number,
	seed: number,
	killer: Killer,
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
	killer.at("committed");
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
	const random = mulberry32(seed * 1_000 + client * 100 + round);
	return Float32Array.from({ length: PARAMETERS }, () => random() - 0.5);
}

/** Where Isobar runs at the moment. */
class Place {
	isobar: LocalIsobar;
	onMove: (url: string) => void = () => {};
	readonly #start: () => Promise<LocalIsobar>;

	constructor(isobar: LocalIsobar, start: () => Promise<LocalIsobar>) {
		this.isobar = isobar;
		this.#start = start;
	}

	async killAndStart(): Promise<void> {
		await this.isobar.kill();
		this.isobar = await this.#start();
		this.onMove(this.isobar.url);
	}
}

/** Kills at three steps, one of each kind, that the seed has chosen, up to 30 ms after they began. */
class Killer {
	readonly kills: string[] = [];
	readonly #place: Place;
	readonly #random: () => number;
	readonly #at: ReadonlyMap<Step, number>;
	readonly #seen: Record<Step, number> = { upload: 0, commit: 0, committed: 0 };
	#killing: Promise<void> = Promise.resolve();

	constructor(place: Place, random: () => number) {
		this.#place = place;
		this.#random = random;
		const each = (CLIENTS * ROUNDS) / KILLS;
		const steps = [...STEPS].sort(() => random() - 0.5);
		this.#at = new Map(steps.map((step, i) => [step, 1 + Math.floor((i + random()) * each)]));
	}

	at(step: Step): void {
		if (++this.#seen[step] !== this.#at.get(step)) return;
		const delay = this.#random() * 30;
		this.kills.push(`${step} ${this.#seen[step]} + ${delay.toFixed(0)} ms`);
		this.#killing = this.#kill(this.#killing, delay);
	}

	async #kill(before: Promise<void>, delay: number): Promise<void> {
		await before;
		await new Promise((resolve) => setTimeout(resolve, delay));
		await this.#place.killAndStart();
	}

	idle(): Promise<void> {
		return this.#killing;
	}
}
