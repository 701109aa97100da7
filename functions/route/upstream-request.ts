import { credentialOf } from "../../src/adapters/credentials.ts";
import type { CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import { editMembers, type MemberChanges } from "../../src/shared/http/edit-members.ts";
import { splice } from "../../src/shared/http/splice.ts";
import type { Endpoint } from "../../src/shared/scheduler/messages.ts";
import type { Admitted } from "./admit.ts";
import { HOP_HEADER } from "./hop.ts";
import { headersWithout } from "./plain-headers.ts";
import { cacheSalt } from "./prefix.ts";
import type { UpstreamCall } from "./upstream.ts";

const PATHS: Record<Endpoint, string> = {
	chat: "/v1/chat/completions",
	completions: "/v1/completions",
	embeddings: "/v1/embeddings",
};

/** Headers that say something about the way to us, or that are ours, or that this call sets anew; or that would choose an
 *  account of the operator's. */
const DROPPED =
	/^(host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|accept-encoding|expect|authorization|api-key|x-api-key|cookie|openai-organization|openai-project|forwarded|x-forwarded-.*|x-real-ip|true-client-ip|cf-.*|cdn-loop|x-isobar-.*)$/;

/** The call that a replica gets: the client's bytes with only those members changed that must be. */
export function upstreamCall(
	admitted: Admitted,
	replica: CatalogReplica,
	clientHeaders: Headers,
	hops: string,
	env: object,
): UpstreamCall {
	const { request, id, isolate } = admitted;
	const headers = headersWithout(clientHeaders, (name) => DROPPED.test(name));
	headers["content-type"] = "application/json";
	// So that what the pool answers is what the client gets, byte for byte.
	headers["accept-encoding"] = "identity";
	headers["x-request-id"] = id;
	headers[HOP_HEADER] = hops;
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers["authorization"] = `Bearer ${credential}`;
	return {
		url: replica.baseUrl + PATHS[request.endpoint],
		headers,
		body: splice(request.json.bytes, editMembers(request.json, request.members, changesFor(admitted, replica))),
		stream: request.stream,
		scaleToZero: replica.pool.pool.scale_to_zero?.kind ?? null,
		dropUsageEvent: request.stream && !request.includeUsage,
		mayRepeat: () => isolate.replicas.mayHaveBeenStale(replica.baseUrl),
	};
}

function changesFor(admitted: Admitted, replica: CatalogReplica): MemberChanges {
	const { request, choiceTokensMax, prefix } = admitted;
	const set: Record<string, string | number> = {};
	if (replica.pool.upstreamModel !== request.model) set["model"] = replica.pool.upstreamModel;
	if (request.maxTokens === null && request.endpoint !== "embeddings") set["max_tokens"] = choiceTokensMax;
	if (replica.pool.cacheSalt && request.endpoint !== "embeddings") set["cache_salt"] = cacheSalt(prefix.salt, request);
	return {
		set,
		...(request.stream && !request.includeUsage && { merge: { stream_options: { include_usage: true } } }),
		...(request.members.some(({ name }) => name === "isobar") && { remove: ["isobar"] }),
	};
}
