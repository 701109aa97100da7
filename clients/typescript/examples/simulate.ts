import { FederatedClient, MemoryStore, type ClientOptions, type Functions, type Model } from "../src/index.ts";
import type { Operator } from "./operator.ts";

interface Simulation<Data> {
	readonly operator: Operator;
	readonly model: Model;
	/** Of the run; how often to flush and when to end is filled in. */
	readonly specification: object;
	/** Of each client. */
	readonly data: readonly Data[];
	readonly rounds: number;
	/** What a client does with its data; `client` counts from 0. */
	readonly functions: (data: Data, client: number) => Omit<Functions<Data>, "load">;
	readonly options?: Partial<ClientOptions>;
	readonly onVersion?: (version: number) => void;
}

/** A run with one client for each piece of data, all in this process, over so many rounds. Returns its id and the clients. */
export async function simulate<Data>(simulation: Simulation<Data>): Promise<Simulated> {
	const { operator, model, specification, data, rounds, functions, options } = simulation;
	const run = await operator.startRun(model, {
		flush: { when: "count", count: data.length },
		versions_max: rounds,
		...specification,
	});
	const invitation = await operator.invite(run, data.length);
	const clients = await Promise.all(
		data.map((_, index) =>
			FederatedClient.join({
				url: operator.url,
				run,
				invitation,
				name: `client ${index}`,
				store: new MemoryStore(),
				onEvent: (event) => {
					if (index === 0 && event.type === "task") simulation.onVersion?.(event.task.base.version);
				},
				...options,
			}),
		),
	);
	await Promise.all(
		clients.map((client, index) => client.work({ load: () => data[index]!, ...functions(data[index]!, index) })),
	);
	return { run, clients };
}

export interface Simulated {
	readonly run: string;
	readonly clients: readonly FederatedClient[];
}
