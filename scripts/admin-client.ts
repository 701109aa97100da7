import type { CatalogInput } from "../src/shared/catalog/schema.ts";
import type { keyInputSchema } from "../src/shared/catalog/keys.ts";
import type * as z from "zod";

export interface CreatedKey {
	readonly id: string;
	readonly key: string;
}

/** Requests of each model at its replicas and in its waiting room; null where no scheduler answers. */
export interface FleetLoad {
	readonly models: Readonly<Record<string, { readonly in_flight: number; readonly waiting: number } | null>>;
}

/** The operator's side of a running Isobar. What it refuses is thrown, with its own message. */
export class AdminClient {
	readonly #base: string;
	readonly #token: string;

	constructor(baseUrl: string, token: string) {
		this.#base = `${baseUrl}/admin`;
		this.#token = token;
	}

	catalog(): Promise<CatalogInput> {
		return this.#call("GET", "/catalog");
	}

	putCatalog(catalog: CatalogInput): Promise<{ readonly version: number }> {
		return this.#call("PUT", "/catalog", catalog);
	}

	fleet(): Promise<FleetLoad> {
		return this.#call("GET", "/fleet");
	}

	createKey(key: z.input<typeof keyInputSchema>): Promise<CreatedKey> {
		return this.#call("POST", "/keys", key);
	}

	/** Keys of a tenant, revoked and expired ones included. */
	async keys(tenant: string): Promise<readonly { readonly id: string; readonly status: string }[]> {
		const list = await this.#call<{ data: { id: string; status: string }[] }>(
			"GET",
			`/keys?limit=1000&tenant=${encodeURIComponent(tenant)}`,
		);
		return list.data;
	}

	async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
		const response = await fetch(this.#base + path, {
			method,
			headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
			...(body !== undefined && { body: JSON.stringify(body) }),
		});
		const text = await response.text();
		if (!response.ok) throw new Error(`${method} /admin${path} answered ${response.status}: ${text.trim()}`);
		return JSON.parse(text);
	}
}
