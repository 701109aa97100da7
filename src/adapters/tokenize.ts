import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import type { Seconds } from "../shared/units.ts";
import { credentialOf } from "./credentials.ts";

/** What an engine tokenises as it would before it answers: a text, or messages through its chat template. */
export type Tokenizable =
	| { readonly prompt: string }
	| { readonly messages: readonly unknown[]; readonly tools?: readonly unknown[] };

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** The token ids that vLLM's (and SGLang's) `POST /tokenize` gives, unchecked; null when the replica does not answer so within
 *  the time. */
export async function tokenizeAt(
	replica: CatalogReplica,
	input: Tokenizable,
	env: object,
	seconds: Seconds,
): Promise<unknown> {
	const headers = new Headers({ "content-type": "application/json" });
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	const body = JSON.stringify({ model: replica.pool.upstreamModel, ...input });
	try {
		const signal = AbortSignal.timeout(seconds * 1_000);
		const init = { method: "POST", headers, body, signal, redirect: "manual" } as const;
		const response = await fetch(`${replica.baseUrl}/tokenize`, init);
		const size = Number(response.headers.get("content-length") ?? 0);
		if (response.status !== 200 || size > ANSWER_BYTES_MAX) {
			await response.body?.cancel();
			return null;
		}
		const answer: unknown = await response.json();
		return typeof answer === "object" && answer !== null && "tokens" in answer ? answer.tokens : null;
	} catch {
		return null;
	}
}
