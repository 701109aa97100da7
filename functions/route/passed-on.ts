/** How a body has ended: at its last byte, where it broke off, or where nobody read on. */
export type BodyEnd = "whole" | "broken" | "left";

/** A body as it is, which is listened to without holding it up: `onChunk` for each piece, whose buffer is not the listener's to
 *  keep, and `onEnd` once. */
export function passedOn(
	body: ReadableStream<Uint8Array>,
	onEnd: (end: BodyEnd) => void,
	onChunk: (chunk: Uint8Array) => void = () => {},
): ReadableStream<Uint8Array> {
	const reader = body.getReader();
	let hasEnded = false;
	const end = (how: BodyEnd): void => {
		if (!hasEnded) onEnd(how);
		hasEnded = true;
	};
	return new ReadableStream<Uint8Array>(
		{
			pull: async (controller) => {
				try {
					const { done, value } = await reader.read();
					if (done) {
						end("whole");
						return controller.close();
					}
					onChunk(value);
					controller.enqueue(value);
				} catch (error) {
					end("broken");
					controller.error(error);
				}
			},
			cancel: (reason) => {
				// First: a read that is under way ends by this as if the body were whole.
				end("left");
				return reader.cancel(reason);
			},
		},
		{ highWaterMark: 0 },
	);
}
