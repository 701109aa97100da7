import type { CatalogReplica } from "../catalog/snapshot.ts";

/** One call of those that wake a replica. */
export interface WakeCall {
	readonly method: "GET" | "POST";
	readonly url: string;
	/** JSON. */
	readonly body?: string;
	/** It goes to the provider, not to the engine. */
	readonly toProvider?: true;
}

/** The calls that wake a replica of a pool that scales to zero, in their order; the last one's answer tells how it stands.
 *  Anything wakes most pools: they get the cheapest request that reaches an engine. Repeating them does no harm. */
export function wakeCalls(replica: CatalogReplica): readonly WakeCall[] {
	const { baseUrl, pool } = replica;
	const zero = pool.pool.scale_to_zero;
	if (!zero) return [];
	if (zero.wake_url !== undefined) return [{ method: "POST", url: zero.wake_url, toProvider: true }];
	switch (zero.kind) {
		case "vllm_sleep":
			return sleepCalls(baseUrl, zero.sleep_level ?? 1);
		case "llama_cpp":
			// GETs are no tasks to it.
			return [oneToken(replica)];
		case "runpod_load_balancer":
			return [{ method: "GET", url: `${baseUrl}/ping` }];
		default:
			return [{ method: "GET", url: `${baseUrl}/v1/models` }];
	}
}

/** vLLM's sleep_mode.md: the weights that level 2 discarded are read anew before there is a cache again, which is emptied as it
 *  was made with others perhaps. */
function sleepCalls(baseUrl: string, level: 1 | 2): readonly WakeCall[] {
	const post = (path: string, body?: object): WakeCall => ({
		method: "POST",
		url: baseUrl + path,
		...(body && { body: JSON.stringify(body) }),
	});
	if (level === 1) return [post("/wake_up")];
	return [
		post("/wake_up?tags=weights"),
		post("/collective_rpc", { method: "reload_weights" }),
		post("/wake_up?tags=kv_cache"),
		post("/reset_prefix_cache"),
	];
}

function oneToken({ baseUrl, pool }: CatalogReplica): WakeCall {
	const { upstreamModel: model, capabilities } = pool;
	const post = (path: string, body: object): WakeCall => ({
		method: "POST",
		url: `${baseUrl}/v1/${path}`,
		body: JSON.stringify({ model, ...body }),
	});
	if (capabilities.includes("chat"))
		return post("chat/completions", { messages: [{ role: "user", content: "." }], max_tokens: 1 });
	if (capabilities.includes("completions")) return post("completions", { prompt: ".", max_tokens: 1 });
	return post("embeddings", { input: "." });
}
