import type { AssignRequest } from "../../src/shared/scheduler/messages.ts";

type Named = Pick<AssignRequest, "reservation" | "model">;

/** What an isolate asks a scheduler for a streamed chat of 4,000 bytes, of which at most 500 tokens are answered, under the
 *  defaults of a key. A change of `promptBytes` holds for its bound in tokens too. */
export function assignRequest(
	change: Named & Partial<AssignRequest>,
	policy: Partial<AssignRequest["policy"]> = {},
): AssignRequest {
	return {
		catalogVersion: 1,
		endpoint: "chat",
		tenant: "t",
		key: "k",
		promptBytes: 4_000,
		promptTokensMax: change.promptBytes ?? 4_000,
		outputTokensMax: 500,
		choiceTokensMax: 500,
		needs: ["chat"],
		stream: true,
		exclude: [],
		edge: "FRA",
		retry: false,
		...change,
		policy: {
			valueOfSecond: 0.001,
			ttftGoal: 2,
			lateSecond: 0.01,
			priority: "standard",
			waitingMax: 30,
			regions: null,
			priceCeiling: null,
			...change.policy,
			...policy,
		},
	};
}
