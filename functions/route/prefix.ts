import type { Key } from "../../src/shared/catalog/keys.ts";
import type { CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { stringAt } from "../../src/shared/http/json-values.ts";
import { member } from "../../src/shared/http/json-members.ts";
import { PREFIX_LIMITS, prefixChain, type PrefixChain } from "../../src/shared/kv/prefix-chain.ts";
import type { RoutedRequest } from "./read-request.ts";

/** What a request brings along for prefix caches. */
export interface RequestPrefix {
	readonly chain: PrefixChain;
	/** Who shares cached prefixes with it. */
	readonly salt: string;
	/** The conversation as the client names it; a hint, where the chain tells nothing. */
	readonly session: string | undefined;
}

const SESSION_CHARS_MAX = 256;

export function requestPrefix(
	request: RoutedRequest,
	headers: Headers,
	model: CatalogModel,
	key: Key,
	blockBytes: number,
): RequestPrefix {
	const { endpoint, json, members } = request;
	const salt = saltOf(key);
	const chain = prefixChain({ endpoint, json, members, model: model.id, salt }, { ...PREFIX_LIMITS, blockBytes });
	return { chain, salt, session: sessionOf(request, headers) };
}

/** Neither a tenant's name nor a group's has a colon, so no two of them give the same salt. */
function saltOf({ tenant, policy }: Key): string {
	return policy.prefix_group === undefined ? `tenant:${tenant}` : `group:${policy.prefix_group}`;
}

/** Engines that take a salt of the client's own get both: it can part the tenant's cache, and never opens another's. */
export function cacheSalt(salt: string, { json, members }: RoutedRequest): string {
	const own = member(members, "cache_salt")?.value;
	const text = own && stringAt(json, own);
	return text ? `isobar:${salt}:${text}` : `isobar:${salt}`;
}

/** The first that is there of `X-Session-Id`, `prompt_cache_key` and `user` (OpenAI's fields). */
function sessionOf({ json, members }: RoutedRequest, headers: Headers): string | undefined {
	const header = headers.get("x-session-id");
	if (header) return header.slice(0, SESSION_CHARS_MAX);
	for (const name of ["prompt_cache_key", "user"]) {
		const value = member(members, name)?.value;
		const text = value && stringAt(json, value);
		if (text) return text.slice(0, SESSION_CHARS_MAX);
	}
	return undefined;
}
