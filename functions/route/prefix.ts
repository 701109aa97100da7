import type { Key } from "../../src/shared/catalog/keys.ts";
import type { CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { jsonAt, stringAt } from "../../src/shared/http/json-values.ts";
import { member } from "../../src/shared/http/json-members.ts";
import { extraText, tokenIds } from "../../src/shared/kv/events/decode-event.ts";
import { tokenChain } from "../../src/shared/kv/events/token-chain.ts";
import { KV_LOOKUP_TOKENS_MAX } from "../../src/shared/limits.ts";
import { PREFIX_LIMITS, prefixChain, type PrefixChain } from "../../src/shared/kv/prefix-chain.ts";
import { engineSalt, saltOf } from "../../src/shared/kv/prefix-salt.ts";
import type { RoutedRequest } from "./read-request.ts";

/** What a request brings along for prefix caches. */
export interface RequestPrefix {
	readonly chain: PrefixChain;
	/** Who shares cached prefixes with it. */
	readonly salt: string;
	/** Of a single prompt of tokens, where engines of the model send events: as they see it with a salt and without. */
	readonly tokenChains: { readonly salted: Uint32Array; readonly plain: Uint32Array } | undefined;
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
	secret: string | undefined,
): RequestPrefix {
	const { endpoint, json, members } = request;
	const salt = saltOf(key);
	const input = { endpoint, json, members, model: model.id, salt, secret };
	const chain = prefixChain(input, { ...PREFIX_LIMITS, blockBytes });
	return { chain, salt, tokenChains: tokenChainsOf(request, model, salt), session: sessionOf(request, headers) };
}

function tokenChainsOf(request: RoutedRequest, model: CatalogModel, salt: string): RequestPrefix["tokenChains"] {
	const { json, prompt, prompts } = request;
	if (!request.needs.includes("token_prompts") || prompts !== 1 || request.endpoint === "embeddings") return undefined;
	if (!model.pools.some(({ pool }) => pool.events_secret !== undefined)) return undefined;
	const given = jsonAt(json, prompt);
	// A list that holds the one prompt, or the prompt itself.
	const ids = tokenIds(
		Array.isArray(given) && Array.isArray(given[0]) ? given[0] : given,
		"prompt",
		KV_LOOKUP_TOKENS_MAX,
	);
	if (!ids.ok) return undefined;
	const chain = (extra: string | null): Uint32Array => tokenChain(ids.value, null, extra);
	return { salted: chain(extraText([cacheSalt(salt, request)])), plain: chain(null) };
}

/** What the body is to say of it, the client's own included. */
export function cacheSalt(salt: string, { json, members }: RoutedRequest): string {
	const own = member(members, "cache_salt")?.value;
	return engineSalt(salt, (own && stringAt(json, own)) || undefined);
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
