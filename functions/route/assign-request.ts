import type { AssignRequest, ReplicaName } from "../../src/shared/scheduler/messages.ts";
import type { Admitted } from "./admit.ts";

/** One question to the schedulers. */
export interface Question {
	/** Makes the reservation's name. */
	readonly number: number;
	/** Another attempt has been made. */
	readonly retry: boolean;
	readonly exclude: readonly ReplicaName[];
}

/** What a scheduler is asked. `referred`: it is not to be sent on. */
export function assignRequest(
	admitted: Admitted,
	{ number, retry, exclude }: Question,
	referred: boolean,
): AssignRequest {
	const { id, key, model, request, policy, catalogVersion, prefix, edge } = admitted;
	return {
		reservation: `${id}.${number}`,
		catalogVersion,
		model: model.id,
		endpoint: request.endpoint,
		tenant: key.tenant,
		key: key.id,
		promptBytes: request.promptBytes,
		longestPromptBytes: request.longestPromptBytes,
		promptTokensMax: Math.max(1, request.promptTokensMax),
		outputTokensMax: admitted.outputTokensMax,
		choiceTokensMax: admitted.choiceTokensMax,
		needs: request.needs,
		stream: request.stream,
		policy,
		exclude,
		edge: edge.name,
		retry,
		...(referred && { referred }),
		prefix: prefix.chain.words,
		prefixUnit: prefix.chain.unit,
		...(prefix.tokenChains && { tokenChains: prefix.tokenChains }),
		...(prefix.session !== undefined && { session: prefix.session }),
	};
}
