import type { AssignRequest, ReplicaName } from "../../src/shared/scheduler/messages.ts";
import type { Admitted } from "./admit.ts";
import type { Sizes } from "./sizes.ts";

/** One question to the schedulers. */
export interface Question {
	/** Makes the reservation's name. */
	readonly number: number;
	/** Another attempt has been made. */
	readonly retry: boolean;
	readonly exclude: readonly ReplicaName[];
}

type Asked = Pick<Admitted, "key" | "request" | "edge" | "model" | "catalogVersion" | "policy">;

/** What any model's scheduler is asked of a request, whatever was tried and wherever its prompt's prefix may be. */
export function askedOf(
	{ key, request, edge, model, catalogVersion, policy }: Asked,
	{ outputTokensMax, choiceTokensMax }: Pick<Sizes, "outputTokensMax" | "choiceTokensMax">,
): Omit<AssignRequest, "reservation" | "exclude" | "retry"> {
	return {
		catalogVersion,
		model: model.id,
		endpoint: request.endpoint,
		tenant: key.tenant,
		key: key.id,
		promptBytes: request.promptBytes,
		longestPromptBytes: request.longestPromptBytes,
		promptTokensMax: Math.max(1, request.promptTokensMax),
		outputTokensMax,
		choiceTokensMax,
		needs: request.needs,
		stream: request.stream,
		policy,
		edge: edge.name,
	};
}

/** What a scheduler is asked. `referred`: it is not to be sent on. */
export function assignRequest(
	admitted: Admitted,
	{ number, retry, exclude }: Question,
	referred: boolean,
): AssignRequest {
	const { id, prefix } = admitted;
	return {
		...askedOf(admitted, admitted),
		reservation: `${id}.${number}`,
		exclude,
		retry,
		...(referred && { referred }),
		prefix: prefix.chain.words,
		prefixUnit: prefix.chain.unit,
		...(prefix.tokenChains && { tokenChains: prefix.tokenChains }),
		...(prefix.session !== undefined && { session: prefix.session }),
	};
}
