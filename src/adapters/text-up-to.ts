/** A body's text; null when it does not fit: what was cut could be taken for something else. */
export async function textUpTo(response: Response, bytesMax: number): Promise<string | null> {
	const decoder = new TextDecoder();
	let text = "";
	let size = 0;
	for await (const chunk of response.body ?? []) {
		size += chunk.byteLength;
		if (size > bytesMax) return null;
		text += decoder.decode(chunk, { stream: true });
	}
	return text;
}
