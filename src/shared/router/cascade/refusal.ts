/** Where a refusal shows itself, if it is one. */
const OPENING_CHARS = 240;

/** How answers begin that decline to answer. Apologies alone are none: "Sorry for the confusion, it is 7" answers. */
const DECLINES = [
	/\bi(?:'m| am) (?:sorry|afraid),? (?:but )?(?:i|that i) (?:can(?:'t|not)|am not able|am unable|won't)/,
	/\bi (?:can(?:'t|not)|am unable to|am not able to|won't|will not) (?:help|assist|provide|comply|fulfil+|answer|do that|create|generate|write|discuss|engage|continue)\b/,
	/\bi must (?:decline|refuse)\b/,
	/\bas an ai(?: language)? model,? i (?:can(?:'t|not)|do not|don't|am not able)/,
	/\b(?:this|your) request (?:violates|goes against)\b/,
] as const;

/** Whether an answer declines to answer, by the words it begins with. English only: in other languages a refusal passes as an
 *  answer, which costs no more than to have had no check. */
export function isRefusal(answer: string): boolean {
	const opening = answer.trimStart().slice(0, OPENING_CHARS).toLowerCase().replaceAll("’", "'");
	return DECLINES.some((pattern) => pattern.test(opening));
}
