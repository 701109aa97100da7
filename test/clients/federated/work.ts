/** A client in TypeScript for tests: trains by adding the same numbers each time, and prints its events. */
import { FederatedClient } from "../../../clients/typescript/src/index.ts";
import { FileStore } from "../../../clients/typescript/src/node.ts";
import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import type { WorkOptions } from "./languages.ts";

const options = JSON.parse(process.argv[2]!) as WorkOptions;
const { url, run, invitation, store, tasks, encoding, delta, seed = 1 } = options;

const client = await FederatedClient.join({
	url,
	run,
	store: new FileStore(store),
	backoff: { first: 0.05, max: 0.5, giveUp: 60 },
	onEvent: (event) => console.log(JSON.stringify(event)),
	...(delta !== undefined && { pull: { delta: delta as Encoding } }),
	...(invitation !== undefined && { invitation }),
	...(encoding !== undefined && { encoding: encoding as Encoding }),
});
await client.work(
	{
		load: () => null,
		train({ values }) {
			for (let i = 0; i < values.length; i++) values[i] = values[i]! + (seed * ((i % 251) - 125)) / 1_024;
			return { examples: 1 };
		},
	},
	tasks,
);
