import type { AssignPolicy } from "../scheduler/messages.ts";
import type { Seconds, Tokens } from "../units.ts";
import { CACHE_TTL_SECONDS } from "./bounds.ts";
import { canonicalJson } from "./cascade/answer-key.ts";

/** What an operator turns on: for requests of temperature 0, or for all. */
export interface CachePolicy {
	readonly when: "deterministic" | "always";
	readonly ttlSeconds: Seconds;
}

/** The policy for one request: the client's own word goes before the operator's. Null: the cache is not asked. */
export function cachePolicy(
	operator: CachePolicy | null,
	client: boolean | undefined,
	temperature: number | null,
): CachePolicy | null {
	if (client === false) return null;
	if (client === true) return { when: "always", ttlSeconds: operator?.ttlSeconds ?? CACHE_TTL_SECONDS };
	if (!operator || (operator.when === "deterministic" && temperature !== 0)) return null;
	return operator;
}

/** Members of a body that say nothing of the answer. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
	"model",
	"isobar",
	"user",
	"metadata",
	"store",
	"prompt_cache_key",
	"safety_identifier",
	"service_tier",
]);

/** All that an answer depends on beside the body. */
export interface CacheScope {
	readonly endpoint: string;
	/** Who shares answers: the salt that also keeps cached prefixes apart. */
	readonly salt: string;
	/** The models that may answer, with what their pools call them; a catalog that names others makes other keys. */
	readonly models: readonly (readonly [model: string, ...upstream: string[]])[];
	/** What routes the request: the router as configured, the controls of the client. Null where a model was named. */
	readonly route: unknown;
	/** Where it may go: an answer from elsewhere is none for a key that keeps its prompts in a region, or pays less. */
	readonly policy: Pick<AssignPolicy, "regions" | "privacy" | "contextMin" | "priceCeiling">;
	/** What the key's default makes of a body that says nothing of its answer's length; null where it does. */
	readonly defaultMaxTokens: Tokens | null;
}

/** Ours: of a longer body no key is made, which takes several times its size in memory. */
export const CACHE_REQUEST_BYTES_MAX = 1_000_000;

/** SHA-256 of the request in a canonical form, in hex: members in order, those without effect left out. Whether it is streamed is
 *  part of it: the stored bytes are given again as they came. */
export async function cacheKey(body: Readonly<Record<string, unknown>>, scope: CacheScope): Promise<string> {
	const members = Object.entries(body).filter(([name, value]) => !WITHOUT_EFFECT.has(name) && value !== null);
	const text = canonicalJson([scope, Object.fromEntries(members)]);
	const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Of a body; OpenAI's default is 1. */
export function temperatureOf({ temperature }: { readonly temperature?: unknown }): number | null {
	return typeof temperature === "number" ? temperature : null;
}
