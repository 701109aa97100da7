/** A body's text as far as it fits. */
export async function textUpTo(response: Response, bytesMax: number): Promise<string> {
	const decoder = new TextDecoder();
	let text = "";
	let size = 0;
	for await (const chunk of response.body ?? []) {
		size += chunk.byteLength;
		if (size > bytesMax) break;
		text += decoder.decode(chunk, { stream: true });
	}
	return text;
}
