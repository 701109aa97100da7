import { collected } from "../collected.ts";

/** More of an answer than this is not compared. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** An answer as it is passed on, and what it said: null where it broke off, nobody read it to its end, or it is too long. */
export interface Overheard {
	readonly response: Response;
	readonly text: Promise<string | null>;
}

/** Listens to an answer without holding it up. */
export function overhear(response: Response): Overheard {
	if (!response.body) return { response, text: Promise.resolve(null) };
	const { promise: text, resolve } = Promise.withResolvers<string | null>();
	const body = collected(response.body, ANSWER_BYTES_MAX, (whole) => resolve(whole && new TextDecoder().decode(whole)));
	return { response: new Response(body, response), text };
}
