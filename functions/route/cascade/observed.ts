/** A response's body as it is, with its end told once: at its last byte, where it breaks off, or where nobody reads on. */
export function observed(response: Response, onEnd: () => void): ReadableStream<Uint8Array> | null {
	const reader = response.body?.getReader();
	if (!reader) {
		onEnd();
		return null;
	}
	let hasEnded = false;
	const end = (): void => {
		if (!hasEnded) onEnd();
		hasEnded = true;
	};
	return new ReadableStream<Uint8Array>(
		{
			pull: async (controller) => {
				try {
					const { done, value } = await reader.read();
					if (!done) return controller.enqueue(value);
					end();
					controller.close();
				} catch (error) {
					end();
					controller.error(error);
				}
			},
			cancel: async (reason) => {
				try {
					await reader.cancel(reason);
				} finally {
					end();
				}
			},
		},
		{ highWaterMark: 0 },
	);
}
