import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { adminApp } from "../../functions/admin/index.ts";
import type { CatalogDiff } from "../../src/shared/catalog/diff.ts";
import type { Problem } from "../../src/shared/catalog/problems.ts";

// As the Worker mounts it.
const app = new Hono<{ Bindings: Env }>().route("/admin", adminApp);

const ENV = { ...env, VENDOR_KEY: "vendor-secret" };
export const TOKEN = "test-admin-token";

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	readonly body: Body;
}

/** What tests look into, of whatever answer it is part of. */
export interface Body {
	readonly version: number;
	readonly diff: CatalogDiff;
	readonly data: readonly { readonly id: string }[];
	readonly id: string;
	readonly key: string;
	readonly expires_at: string;
	readonly warnings: readonly Problem[];
}

/** Calls the admin app with the token, a body that is not text sent as JSON. `set` changes the environment. */
export async function admin(
	method: string,
	path: string,
	body?: unknown,
	headers: Record<string, string> = {},
	set: Record<string, unknown> = {},
): Promise<Answer> {
	const response = await app.request(
		`https://gateway.example.com${path}`,
		{
			method,
			headers: { authorization: `Bearer ${TOKEN}`, ...headers },
			...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
		},
		{ ...ENV, ...set },
		createExecutionContext(),
	);
	const text = await response.text();
	return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}
