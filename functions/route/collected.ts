import { concat } from "../read-up-to.ts";

/** A body as it is, of which a copy is kept: told once, with null where it broke off, nobody read on, it was longer than `bytesMax`,
 *  or it is a stream that did not end in `[DONE]`, which a cut one never does. */
export function collected(
	body: ReadableStream<Uint8Array>,
	bytesMax: number,
	contentType: string,
	onEnd: (whole: Uint8Array | null) => void,
): ReadableStream<Uint8Array> {
	const reader = body.getReader();
	let chunks: Uint8Array[] | null = [];
	let size = 0;
	let hasEnded = false;
	const end = (isWhole: boolean): void => {
		if (hasEnded) return;
		hasEnded = true;
		const whole = isWhole && chunks ? concat(chunks, size) : null;
		onEnd(whole && isComplete(whole, contentType) ? whole : null);
	};
	return new ReadableStream<Uint8Array>(
		{
			pull: async (controller) => {
				try {
					const { done, value } = await reader.read();
					if (done) {
						end(true);
						return controller.close();
					}
					size += value.byteLength;
					if (size > bytesMax) chunks = null;
					// A copy, because the chunk's buffer is handed on.
					chunks?.push(value.slice());
					controller.enqueue(value);
				} catch (error) {
					end(false);
					controller.error(error);
				}
			},
			cancel: async (reason) => {
				end(false);
				await reader.cancel(reason);
			},
		},
		{ highWaterMark: 0 },
	);
}

const DONE = "data: [DONE]";

function isComplete(whole: Uint8Array, contentType: string): boolean {
	if (!contentType.startsWith("text/event-stream")) return whole.byteLength > 0;
	return new TextDecoder().decode(whole.subarray(-64)).trimEnd().endsWith(DONE);
}
