import type { Expectation } from "./expectation.ts";

export const MODEL = "llama-3.1-8b";

export interface Load {
	readonly id: "small" | "large" | "stream";
	readonly title: string;
	readonly body: string;
	/** The body of a good answer ends like this. */
	readonly endsWith: string;
}

const SMALL_ANSWER_TOKENS = 20;
const STREAM_TOKENS = 200;
const LARGE_MESSAGES = 60;
const LARGE_BYTES = 200_000;
/** Gateways may add to an answer or leave out what its client did not ask for, but not much. */
const LENGTH_TOLERANCE = 0.2;

const SENTENCE = 'The order was shipped on the 4th; the customer\'s tracking page still shows "label created".\n';

export const LOADS: readonly Load[] = [
	{
		id: "small",
		title: "small",
		body: chat([{ role: "user", content: "In which year was the first transatlantic telegraph cable laid?" }], {
			temperature: 0.2,
			max_tokens: SMALL_ANSWER_TOKENS,
			user: "customer-4711",
		}),
		endsWith: "}",
	},
	{
		id: "large",
		title: "200 KB",
		body: chat(conversation(), { temperature: 0.2, max_tokens: SMALL_ANSWER_TOKENS, user: "customer-4711" }),
		endsWith: "}",
	},
	{
		id: "stream",
		title: `stream of ${STREAM_TOKENS}`,
		body: chat([{ role: "user", content: "Tell the story of the first transatlantic telegraph cable." }], {
			stream: true,
			ignore_eos: true,
			max_tokens: STREAM_TOKENS,
		}),
		endsWith: "data: [DONE]",
	},
];

/** What answers to this load look like, from one that came straight from the pool. */
export function expectationOf({ endsWith }: Load, directBytes: number): Expectation {
	return {
		bytesMin: Math.floor(directBytes * (1 - LENGTH_TOLERANCE)),
		bytesMax: Math.ceil(directBytes * (1 + LENGTH_TOLERANCE)),
		endsWith,
	};
}

function chat(messages: readonly object[], rest: object): string {
	return JSON.stringify({ model: MODEL, messages, ...rest });
}

/** As an agent's history is: turns of a few kilobytes with quotes and line ends in them. */
function conversation(): object[] {
	const content = SENTENCE.repeat(Math.ceil(LARGE_BYTES / LARGE_MESSAGES / JSON.stringify(SENTENCE).length));
	return Array.from({ length: LARGE_MESSAGES }, (_, i) => ({
		role: i === 0 ? "system" : i % 2 === 1 ? "user" : "assistant",
		content: `${i}: ${content}`,
	}));
}
