import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { AdminClient } from "../../scripts/admin-client.ts";
import { bundleWorker } from "../../scripts/bundle.ts";
import { readModules } from "../../scripts/local.ts";
import { applyMigrations, migrationsWorker } from "../../scripts/migrations.ts";
import { runWorkers } from "../../scripts/workerd.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { median, percentile } from "../lib/statistics.ts";
import { Conversations } from "./conversations.ts";
import { BLOCKS_PER_PROMPT, catalogOf, MODEL, requestOf } from "./fleet.ts";

export interface RpcRate {
	readonly concurrency: number;
	/** Medians over the rounds. */
	readonly perSecond: number;
	readonly p50: number;
	readonly p99: number;
}

export interface RpcEffort {
	readonly rounds: number;
	readonly batch: number;
	/** Batches that fill the index before. */
	readonly fill: number;
}

const TOKEN = "bench";
const DRIVER = "rpc-driver.mjs";
const answerSchema = z.object({ seconds: z.number(), milliseconds: z.array(z.number()) });

/** Assignments through real calls of the scheduler object in workerd, from another Worker of the same process, at each of these
 *  numbers of calls at once. Milliseconds as that Worker sees them. */
export async function measureRpc(
	replicas: number,
	concurrencies: readonly number[],
	{ rounds, batch, fill }: RpcEffort,
	seed: number,
): Promise<RpcRate[]> {
	const bundle = await bundleWorker();
	const driver = await readFile(join(import.meta.dirname, DRIVER), "utf8");
	const common = { compatibilityDate: bundle.compatibilityDate, compatibilityFlags: [...bundle.compatibilityFlags] };
	const { urls, stop } = await runWorkers({
		workers: [
			{
				...common,
				name: bundle.name,
				modules: await readModules(bundle),
				bindings: { ...bundle.vars, ADMIN_TOKEN: TOKEN },
				d1Databases: { ...bundle.d1Databases },
				durableObjects: { ...bundle.durableObjects },
			},
			{
				...common,
				name: "driver",
				modules: [{ type: "ESModule", path: DRIVER, contents: driver }],
				durableObjects: { SCHEDULER: { ...bundle.durableObjects["SCHEDULER"]!, scriptName: bundle.name } },
			},
			await migrationsWorker(bundle),
		],
	});
	try {
		await applyMigrations(urls[2]!);
		const { version } = await new AdminClient(urls[0]!.origin, TOKEN).putCatalog(catalogOf(replicas));
		const conversations = new Conversations(seed);
		let first = 0;
		const call = async (concurrency: number): Promise<z.infer<typeof answerSchema>> => {
			const words = 2 * BLOCKS_PER_PROMPT;
			const chains = new Uint32Array(batch * words);
			for (let i = 0; i < batch; i++) chains.set(conversations.next(), i * words);
			const { reservation: _, prefix: __, ...request } = requestOf("", chains);
			const template = { ...request, catalogVersion: version };
			const run = { object: schedulerName(MODEL), template, words, concurrency, first };
			first += batch;
			const headers = { "x-run": JSON.stringify(run) };
			const response = await fetch(urls[1]!, { method: "POST", headers, body: chains });
			if (!response.ok) throw new Error(`The driver answered ${response.status}: ${await response.text()}`);
			return answerSchema.parse(await response.json());
		};
		for (let i = 0; i < fill; i++) await call(16);
		const rates: RpcRate[] = [];
		for (const concurrency of concurrencies) {
			const answers: z.infer<typeof answerSchema>[] = [];
			for (let round = 0; round < rounds; round++) answers.push(await call(concurrency));
			const of = (figure: (answer: (typeof answers)[number]) => number): number => median(answers.map(figure));
			rates.push({
				concurrency,
				perSecond: of(({ seconds }) => batch / seconds),
				p50: of(({ milliseconds }) => percentile(milliseconds, 50)),
				p99: of(({ milliseconds }) => percentile(milliseconds, 99)),
			});
		}
		return rates;
	} finally {
		await stop();
	}
}
