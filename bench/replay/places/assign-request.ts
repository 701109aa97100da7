import type { KeyPolicy } from "../policies/isobar.ts";
import { ANSWER_TOKENS_MAX, MODEL_ID } from "../fleet.ts";
import { chainOf } from "./block-hashes.ts";
import { BLOCK_TOKENS, type TraceRequest } from "../trace.ts";
import type { AssignRequest } from "../../../src/shared/scheduler/messages.ts";

/** What a token has, in bytes; the scheduler learns it. */
const BYTES_PER_TOKEN = 4;

/** The defaults of a key. */
const POLICY: AssignRequest["policy"] = {
	valueOfSecond: 0.001,
	ttftGoal: 2,
	lateSecond: 0.01,
	priority: "standard",
	waitingMax: 30,
	regions: null,
	priceCeiling: null,
};

/** The request as an isolate would write it to the scheduler. */
export function assignRequestOf(
	id: number,
	request: TraceRequest,
	{ edge, policy }: { readonly edge: string; readonly policy: KeyPolicy },
): AssignRequest {
	const promptBytes = request.input * BYTES_PER_TOKEN;
	return {
		reservation: `r${id}`,
		catalogVersion: 1,
		model: MODEL_ID,
		endpoint: "chat",
		tenant: "tenant",
		key: "key",
		promptBytes,
		promptTokensMax: promptBytes,
		outputTokensMax: ANSWER_TOKENS_MAX,
		choiceTokensMax: ANSWER_TOKENS_MAX,
		needs: ["chat"],
		stream: true,
		policy: { ...POLICY, ...policy },
		exclude: [],
		edge,
		retry: false,
		prefix: chainOf(request),
		prefixUnit: { of: "bytes", count: BLOCK_TOKENS * BYTES_PER_TOKEN },
	};
}
