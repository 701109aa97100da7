import type { Key } from "../../src/shared/catalog/keys.ts";
import type { CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import type { Amount } from "../../src/shared/ledger/messages.ts";
import type { AssignPolicy } from "../../src/shared/scheduler/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { NanoUsd, Tokens } from "../../src/shared/units.ts";
import type { RoutedRequest } from "./read-request.ts";
import { worstNano } from "./worst-nano.ts";

/** What a request may take of one model. */
export interface Sizes {
	/** Output tokens of one choice at most: the client's, or the default that is injected. */
	readonly choiceTokensMax: Tokens;
	readonly outputTokensMax: Tokens;
	readonly promptTokensMax: Tokens;
}

export function sizesOf(request: RoutedRequest, key: Key, model: CatalogModel): Sizes {
	const choiceTokensMax =
		request.endpoint === "embeddings"
			? 0
			: (request.maxTokens ?? defaultMaxTokens(key, model, request.longestPromptBytes));
	return {
		choiceTokensMax,
		outputTokensMax: choiceTokensMax * request.choices,
		// A prompt that is longer than every context is never sent, so it need not be paid for.
		promptTokensMax: Math.max(1, Math.min(request.promptTokensMax, request.prompts * model.longestContext)),
	};
}

/** What is injected as `max_tokens`: the key's default, no more than fits beside the prompt where that can be foreseen. */
function defaultMaxTokens(key: Key, model: CatalogModel, promptBytes: number): Tokens {
	const wanted = Math.min(key.default_max_tokens, model.model.default_max_tokens ?? Infinity);
	const room = Math.floor(model.longestContext - promptBytes / 3);
	return Math.max(1, Math.min(wanted, Math.max(room, Math.ceil(wanted / 16))));
}

/** The most that a request may cost at this model's pools. */
export function worstOf(
	model: CatalogModel,
	request: RoutedRequest,
	policy: AssignPolicy,
	sizes: Sizes,
	settings: Settings,
): NanoUsd {
	return worstNano(model, request, policy, { ...sizes, timeout: settings.totalTimeoutSeconds });
}

/** What has to be reserved for it. */
export function amountOf(nano: NanoUsd, { promptTokensMax, outputTokensMax }: Sizes): Amount {
	return { nano, requests: 1, tokens: promptTokensMax + outputTokensMax, slots: 1 };
}
