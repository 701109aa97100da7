/** More of an answer than this is not compared. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** An answer as it is passed on, and what it said: null where it broke off, nobody read it to its end, or it is too long. */
export interface Overheard {
	readonly response: Response;
	readonly text: Promise<string | null>;
}

/** Listens to an answer without holding it up. */
export function overhear(response: Response): Overheard {
	const { promise: text, resolve } = Promise.withResolvers<string | null>();
	if (!response.body) return { response, text: Promise.resolve(null) };
	const chunks: Uint8Array[] = [];
	let size = 0;
	const reader = response.body.getReader();
	const body = new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				try {
					const { done, value } = await reader.read();
					if (done) {
						controller.close();
						return resolve(size > ANSWER_BYTES_MAX ? null : textOf(chunks));
					}
					size += value.byteLength;
					if (size <= ANSWER_BYTES_MAX) chunks.push(value.slice());
					controller.enqueue(value);
				} catch (error) {
					resolve(null);
					controller.error(error);
				}
			},
			async cancel(reason) {
				resolve(null);
				await reader.cancel(reason);
			},
		},
		{ highWaterMark: 0 },
	);
	return { response: new Response(body, response), text };
}

function textOf(chunks: readonly Uint8Array[]): string {
	const decoder = new TextDecoder();
	return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}
