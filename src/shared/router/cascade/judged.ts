import type { Tokens } from "../../units.ts";
import type { Answer } from "./answer.ts";
import { answerKey, type AnswerKey } from "./answer-key.ts";
import { withLength } from "./answer-length.ts";
import { faultOf, type Fault } from "./checks.ts";
import type { Rung } from "./rung.ts";
import type { RequestedShape } from "./schema-check.ts";
import { tokenProbability, withTokenProbability, type TokenProbability } from "./token-probability.ts";

/** What is known of an answer without asking anybody. */
export interface Judged {
	/** `failed`: there is none, the call failed. */
	readonly fault: Fault | "failed" | null;
	readonly key: AnswerKey | null;
	readonly told: TokenProbability | null;
	/** Null where it was not counted. */
	readonly tokens: Tokens | null;
}

export const FAILED: Judged = { fault: "failed", key: null, told: null, tokens: null };

export function judge(
	answer: Answer | null,
	shape: RequestedShape,
	maxTokensAsked: boolean,
	tokens: Tokens | null,
): Judged {
	const fault = faultOf(answer, shape, maxTokensAsked);
	if (fault || !answer) return { fault: fault ?? "unreadable", key: null, told: null, tokens };
	return { fault: null, key: answerKey(answer), told: tokenProbability(answer), tokens };
}

/** P(right) of one answer by itself: what was expected of its model on this prompt, how sure of its tokens it was, and how much
 *  longer it wrote than was expected. 0 where it has a fault. */
export function aloneProbability(rung: Rung, { fault, told, tokens }: Judged): number {
	if (fault) return 0;
	return withLength(withTokenProbability(rung.quality, told), tokens, rung.outputTokens);
}
