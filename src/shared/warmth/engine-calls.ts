import { SCALE_TO_ZERO } from "../catalog/scale-to-zero.ts";
import type { ScaleToZero } from "../catalog/schema.ts";
import type { CatalogReplica } from "../catalog/snapshot.ts";
import type { Seconds } from "../units.ts";

/** One call that starts, keeps or stops an engine. */
export interface EngineCall {
	readonly method: "GET" | "POST" | "PUT" | "PATCH";
	readonly url: string;
	/** JSON. */
	readonly body?: string;
	/** It goes to the provider, not to the engine. */
	readonly toProvider?: true;
}

/** The calls that wake a replica of a pool that scales to zero, in their order; the last one's answer tells how it stands.
 *  Anything wakes most pools: they get the cheapest request that reaches an engine. Repeating them does no harm. */
export function wakeCalls(replica: CatalogReplica): readonly EngineCall[] {
	const { baseUrl, pool } = replica;
	const zero = pool.pool.scale_to_zero;
	if (!zero) return [];
	if (zero.wake_url !== undefined) return [{ method: "POST", url: zero.wake_url, toProvider: true }];
	return zero.kind === "vllm_sleep" ? wakeUpCalls(baseUrl, zero.sleep_level ?? 1) : [keepCall(replica)];
}

/** The cheapest call that reaches the engine, and so resets its idle timer. */
export function keepCall(replica: CatalogReplica): EngineCall {
	const { baseUrl, pool } = replica;
	switch (pool.pool.scale_to_zero?.kind) {
		case "llama_cpp":
			// GETs are no tasks to it.
			return oneToken(replica);
		case "runpod_load_balancer":
			return { method: "GET", url: `${baseUrl}/ping` };
		default:
			return { method: "GET", url: `${baseUrl}/v1/models` };
	}
}

/** Whether there is a call that lets a pool with these settings go. */
export function letsGo({ kind, settings_url: settings }: ScaleToZero): boolean {
	return kind === "vllm_sleep" || (kind === "huggingface" && settings !== undefined);
}

/** The call that puts a replica to sleep or scales its pool to zero at once; null where there is none. */
export function letGoCall({ baseUrl, pool }: CatalogReplica): EngineCall | null {
	const { scale_to_zero: zero } = pool.pool;
	if (!zero || !letsGo(zero)) return null;
	if (zero.kind === "vllm_sleep") return { method: "POST", url: `${baseUrl}/sleep?level=${zero.sleep_level ?? 1}` };
	return { method: "POST", url: `${zero.settings_url}/scale-to-zero`, toProvider: true };
}

/** The call that sets after how many idle seconds a pool scales to zero, with what it will be then: in the provider's units and
 *  bounds. Null where it cannot be set over HTTP. */
export function idleTimeoutCall(
	{ pool: { pool } }: CatalogReplica,
	seconds: Seconds,
): { readonly call: EngineCall; readonly seconds: Seconds } | null {
	const zero = pool.scale_to_zero;
	const bounds = zero && SCALE_TO_ZERO[zero.kind].idleTimeout;
	if (!bounds || zero.settings_url === undefined) return null;
	const within = Math.min(bounds.max, Math.max(bounds.min, seconds));
	const to = (method: EngineCall["method"], body: object): EngineCall => ({
		method,
		url: zero.settings_url!,
		body: JSON.stringify(body),
		toProvider: true,
	});
	if (zero.kind === "huggingface") {
		const minutes = Math.ceil(within / 60);
		return {
			call: to("PUT", { compute: { scaling: { scaleToZeroTimeout: minutes } } }),
			seconds: minutes * 60,
		};
	}
	const whole = Math.ceil(within);
	return { call: to("PATCH", { idleTimeout: whole }), seconds: whole };
}

/** vLLM's sleep_mode.md: the weights that level 2 discarded are read anew before there is a cache again, which is emptied as it
 *  was made with others perhaps. */
function wakeUpCalls(baseUrl: string, level: 1 | 2): readonly EngineCall[] {
	const post = (path: string, body?: object): EngineCall => ({
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

function oneToken({ baseUrl, pool }: CatalogReplica): EngineCall {
	const { upstreamModel: model, capabilities } = pool;
	const post = (path: string, body: object): EngineCall => ({
		method: "POST",
		url: `${baseUrl}/v1/${path}`,
		body: JSON.stringify({ model, ...body }),
	});
	if (capabilities.includes("chat"))
		return post("chat/completions", { messages: [{ role: "user", content: "." }], max_tokens: 1 });
	if (capabilities.includes("completions")) return post("completions", { prompt: ".", max_tokens: 1 });
	return post("embeddings", { input: "." });
}
