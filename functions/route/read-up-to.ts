/** The beginning of a body. */
export interface ReadSoFar {
	readonly held: Uint8Array[];
	/** Bytes of `held`. */
	readonly size: number;
	/** Of the rest; null where that is all. */
	readonly reader: ReadableStreamDefaultReader<Uint8Array> | null;
}

/** The body, if it has not more than so many bytes; else what of it has been read, and the reader of the rest. */
export async function readUpTo(response: Response, bytesMax: number): Promise<ReadSoFar> {
	const { headers } = response;
	// Of a compressed body the length says nothing.
	const length =
		headers.get("content-encoding") === null ? Number(headers.get("content-length") ?? Number.NaN) : Number.NaN;
	if (length <= bytesMax) {
		const whole = new Uint8Array(await response.arrayBuffer());
		return { held: [whole], size: whole.byteLength, reader: null };
	}
	// Only now, because the runtime makes a stream of the body when it is looked at.
	const reader = response.body?.getReader();
	if (!reader) return { held: [], size: 0, reader: null };
	const held: Uint8Array[] = [];
	let size = 0;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return { held, size, reader: null };
		held.push(value);
		size += value.byteLength;
		if (size > bytesMax) return { held, size, reader };
	}
}

export function concat(chunks: readonly Uint8Array[], size = chunks.reduce((n, c) => n + c.byteLength, 0)): Uint8Array {
	if (chunks.length === 1) return chunks[0]!;
	const whole = new Uint8Array(size);
	let at = 0;
	for (const chunk of chunks) {
		whole.set(chunk, at);
		at += chunk.byteLength;
	}
	return whole;
}
