import type { Tokens } from "../units.ts";
import type { AssignRequest } from "./messages.ts";

/** Tokens that have to fit into one context: an answer beside the longest of the prompts, when all of them are expected to
 *  have `promptTokens` together. */
export function contextNeed(
	request: Pick<AssignRequest, "promptBytes" | "longestPromptBytes" | "choiceTokensMax">,
	promptTokens: Tokens,
): { readonly prompt: Tokens; readonly answer: Tokens } {
	const { promptBytes, longestPromptBytes = promptBytes, choiceTokensMax: answer } = request;
	return {
		prompt: promptBytes > 0 ? Math.ceil((promptTokens * longestPromptBytes) / promptBytes) : promptTokens,
		answer,
	};
}
