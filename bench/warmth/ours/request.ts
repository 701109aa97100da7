import type { AssignRequest } from "../../../src/shared/scheduler/messages.ts";
import type { TraceRequest } from "../../replay/trace.ts";
import { ANSWER_TOKENS_MAX, MODEL_ID } from "../fleet.ts";
import { TTFT_GOAL_SECONDS } from "../metrics.ts";

/** What a second is worth to whoever waits, in USD. */
export interface Worth {
	readonly valueOfSecond: number;
	/** Over the goal. */
	readonly lateSecond: number;
}

/** What a token has, in bytes; the scheduler learns it. */
const BYTES_PER_TOKEN = 4;

/** A request's attempt as an isolate would write it to the scheduler, under the defaults of a key but for its worth. */
export function assignRequestOf(
	{ input, conversation }: TraceRequest,
	reservation: string,
	worth: Worth,
	exclude: readonly string[],
): AssignRequest {
	const promptBytes = input * BYTES_PER_TOKEN;
	return {
		reservation,
		catalogVersion: 1,
		model: MODEL_ID,
		endpoint: "chat",
		tenant: "tenant",
		key: `client ${conversation}`,
		promptBytes,
		promptTokensMax: promptBytes,
		outputTokensMax: ANSWER_TOKENS_MAX,
		choiceTokensMax: ANSWER_TOKENS_MAX,
		needs: ["chat"],
		stream: true,
		policy: {
			...worth,
			ttftGoal: TTFT_GOAL_SECONDS,
			priority: "standard",
			waitingMax: 30,
			regions: null,
			priceCeiling: null,
		},
		exclude,
		edge: "E0",
		retry: exclude.length > 0,
	};
}
