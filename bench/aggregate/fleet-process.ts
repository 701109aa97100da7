import { encode } from "../../src/shared/federated/encode.ts";
import { encodedBytes, type Encoding } from "../../src/shared/federated/encoding.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import { digestOf, TestOperator, type TestClient } from "../../test/support/federated-client.ts";
import { answerJobs } from "../lib/workers.ts";
import type { Fleet, FleetJob, Round } from "./fleet.ts";
import { Memory } from "./memory.ts";

/** Clients that send at once. */
const SENDERS = 4;
/** Two shards are in the isolate whose memory is taken. */
const SHARDS = 2;
/** Looks at the memory while parts are sent, and as many while they are summed. */
const LOOKS = 20;

interface PartBody {
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly contentDigest: string;
}

interface Staged {
	readonly client: TestClient;
	readonly update: string;
	readonly parts: readonly string[];
}

answerJobs(playRound);

async function playRound({ fleet, url, key, inspectorUrl }: FleetJob): Promise<Round> {
	const { clients, rows, encoding = "f32" } = fleet;
	const operator = new TestOperator(url, key, fetch);
	const parameters = rows * ROW_PARAMETERS;
	const values = Float32Array.from({ length: parameters }, (_, i) => (i % 1_000) / 1_000 - 0.5);
	const warm = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(8));
	await (await operator.join(warm)).contribute(new Float32Array(8));
	await operator.untilVersion(warm, 1);

	const memory = inspectorUrl === null ? null : await Memory.of(url, inspectorUrl, 2 * LOOKS);
	const run = await operator.startRun(specificationOf(fleet), values);
	const members: TestClient[] = [];
	for (let i = 0; i < clients; i++) members.push(await operator.join(run));
	const pulled = await operator.weights(run);
	const bodies = await bodiesOf(members[0]!, values, encoding);
	const began = performance.now();
	const staged = await stage(members, bodies, encoding, memory);
	const stageSeconds = (performance.now() - began) / 1_000;
	const last = staged.pop()!;
	for (const { client, update, parts } of staged) await client.commit(update, parts, { encoding });
	const flushBegan = performance.now();
	await last.client.commit(last.update, last.parts, { encoding });
	while ((await operator.version(run)) < 1) await memory?.look();
	const flushSeconds = (performance.now() - flushBegan) / 1_000;
	await memory?.look();
	memory?.close();
	const pushed = encodedBytes(encoding, parameters) / 1e6;
	return {
		stageRate: (clients * pushed) / stageSeconds,
		flushSeconds,
		shardMemory: memory && memory.most / SHARDS,
		pulled: pulled.byteLength / 1e6,
		pushed,
	};
}

function specificationOf({ clients, rows, optimiser, encoding = "f32" }: Fleet): object {
	return {
		flush: { when: "count", count: clients },
		limits: { updates_staged_max: 2 * clients },
		shard_parameters: Math.ceil(rows / SHARDS) * ROW_PARAMETERS,
		encodings: [encoding],
		server_optimiser: { name: optimiser ?? "sgd" },
	};
}

/** The parts of an update: every client sends the same, so they are encoded and hashed once, before the clock starts. */
async function bodiesOf(client: TestClient, values: Float32Array, encoding: Encoding): Promise<readonly PartBody[]> {
	const plan = await client.call("GET", `/plan?encoding=${encoding}`);
	const parts: readonly { readonly begin: number; readonly end: number }[] = plan.body.parts;
	return Promise.all(
		parts.map(async ({ begin, end }) => {
			const bytes = encode(encoding, values.subarray(begin, end));
			return { bytes, contentDigest: await digestOf(bytes) };
		}),
	);
}

/** All updates, each by one client. */
async function stage(
	members: readonly TestClient[],
	bodies: readonly PartBody[],
	encoding: Encoding,
	memory: Memory | null,
): Promise<Staged[]> {
	const staged: Staged[] = [];
	const queue = members.values();
	let sent = 0;
	let looked = Promise.resolve();
	const send = async (): Promise<void> => {
		for (const client of queue) {
			const { update } = await client.task();
			const parts: string[] = [];
			for (const [part, { bytes, contentDigest }] of bodies.entries()) {
				const put = await client.putPart(update, part, bytes, encoding, { contentDigest });
				if (put.status > 201) throw new Error(await put.text());
				parts.push(((await put.json()) as { readonly digest: string }).digest);
				// As often whatever the number of clients, and none waits for it.
				const isTime = ++sent % Math.ceil((members.length * bodies.length) / LOOKS) === 0;
				if (memory && isTime) looked = looked.then(() => memory.look());
			}
			staged.push({ client, update, parts });
		}
	};
	await Promise.all(Array.from({ length: SENDERS }, send));
	await looked;
	return staged;
}
