import { pieceAt, type Choice } from "./choice.ts";
import { hashText } from "./random.ts";

interface TokenLogprob {
	readonly token: string;
	readonly logprob: number;
	readonly bytes: readonly number[];
}

const END_TEXT = "<|end|>";

/** Made-up log-probabilities that look right: the chosen token first, alternatives below it. */
function alternatives(choice: Choice, i: number, count: number): readonly [TokenLogprob, ...TokenLogprob[]] {
	const piece = pieceAt(choice, i);
	const token = piece.kind === "end" ? END_TEXT : piece.text;
	const chosen = -(hashText(token, i) % 1_000) / 1_000;
	const others = Array.from({ length: Math.max(0, count - 1) }, (_, rank) =>
		entry(`~${rank + 1}`, Number((chosen - 1 - rank).toFixed(3))),
	);
	return [entry(token, chosen), ...others];
}

function entry(token: string, logprob: number): TokenLogprob {
	return { token, logprob, bytes: [...Buffer.from(token)] };
}

/** The `logprobs` of chat choices for tokens `from` to `to`, as JSON. `top`: how many alternatives each lists. */
export function chatLogprobs(choice: Choice, from: number, to: number, top: number | null): string {
	if (top === null) return "null";
	const content = range(from, to).map((i) => {
		const list = alternatives(choice, i, top);
		return { ...list[0], top_logprobs: list.slice(0, top) };
	});
	return JSON.stringify({ content });
}

/** The same for completions, whose shape is older: parallel lists. */
export function completionLogprobs(choice: Choice, from: number, to: number, top: number | null): string {
	if (top === null) return "null";
	const lists = range(from, to).map((i) => alternatives(choice, i, Math.max(1, top)));
	let offset = range(0, from).reduce((sum, i) => sum + pieceAt(choice, i).text.length, 0);
	const offsets = range(from, to).map((i) => {
		const start = offset;
		offset += pieceAt(choice, i).text.length;
		return start;
	});
	return JSON.stringify({
		text_offset: offsets,
		token_logprobs: lists.map((list) => list[0].logprob),
		tokens: lists.map((list) => list[0].token),
		top_logprobs: lists.map((list) => Object.fromEntries(list.map(({ token, logprob }) => [token, logprob]))),
	});
}

function range(from: number, to: number): number[] {
	return Array.from({ length: to - from }, (_, i) => from + i);
}
