import type * as z from "zod";
import { AdminClient } from "../../scripts/admin-client.ts";
import { startIsobar, type LocalIsobar, type LocalOptions } from "../../scripts/local.ts";
import type { keyInputSchema } from "../../src/shared/catalog/keys.ts";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import type { ReplicaOptions } from "../simulator/options.ts";
import { startSimulator, type Simulator } from "../simulator/simulator.ts";
import { SMALL_FLEET, smallCatalog } from "./small-catalog.ts";

export type KeyOptions = Partial<z.input<typeof keyInputSchema>>;

export interface GatewayOptions extends Omit<LocalOptions, "onLog"> {
	/** Simulated replicas, each named `pool/replica`. Default: `SMALL_FLEET`. */
	readonly replicas?: readonly ReplicaOptions[];
	/** The catalog for the replicas' URLs by name. Default: `smallCatalog`. */
	readonly catalog?: (urls: ReadonlyMap<string, string>) => CatalogInput;
	/** Of the gateway's first key, `key`. Default: tenant `test`, no limits. */
	readonly key?: KeyOptions;
}

export interface PostOptions {
	/** Default: the gateway's first key. */
	readonly key?: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly signal?: AbortSignal;
}

export interface Gateway {
	readonly isobar: LocalIsobar;
	readonly simulator: Simulator;
	readonly admin: AdminClient;
	/** With `/v1`, as the SDKs want it. */
	readonly baseURL: string;
	readonly key: string;
	/** What the Worker has printed, a line each. */
	readonly log: readonly string[];
	/** A further key, of tenant `test` unless it says otherwise. */
	readonly createKey: (options?: KeyOptions) => Promise<string>;
	/** Sends a body, as JSON unless it is text already, to a path after `/v1`. */
	readonly post: (path: string, body: unknown, options?: PostOptions) => Promise<Response>;
	readonly stop: () => Promise<void>;
}

/** A running Isobar in front of simulated replicas, with a catalog and a key, all made through its public doors. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
	const { replicas = SMALL_FLEET, catalog = smallCatalog, key: keyOptions, ...local } = options;
	const log: string[] = [];
	const secrets = { ADMIN_TOKEN: "test-admin-token", ...local.secrets };
	const simulator = await startSimulator({ replicas });
	const isobar = await startIsobar({ ...local, secrets, onLog: (line) => log.push(line) }).catch(
		async (error: unknown) => {
			await simulator.close();
			throw error;
		},
	);
	async function stop(): Promise<void> {
		await Promise.all([isobar.stop(), simulator.close()]);
	}
	const admin = new AdminClient(isobar.url, secrets.ADMIN_TOKEN);
	async function createKey(more: KeyOptions = {}): Promise<string> {
		return (await admin.createKey({ tenant: "test", ...more })).key;
	}
	try {
		await admin.putCatalog(catalog(new Map(simulator.replicas.map(({ name, url }) => [name, url]))));
		const key = await createKey(keyOptions);
		const baseURL = `${isobar.url}/v1`;
		return {
			isobar,
			simulator,
			admin,
			baseURL,
			key,
			log,
			createKey,
			post: (path, body, { key: other = key, headers, signal = null } = {}) =>
				fetch(baseURL + path, {
					method: "POST",
					body: typeof body === "string" ? body : JSON.stringify(body),
					headers: { authorization: `Bearer ${other}`, "content-type": "application/json", ...headers },
					signal,
				}),
			stop,
		};
	} catch (error) {
		await stop();
		throw error;
	}
}
