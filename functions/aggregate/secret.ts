/** A secret of 192 random bits. */
export function newSecret(prefix: string): string {
	const bytes = crypto.getRandomValues(new Uint8Array(24));
	return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 as hex. */
export async function hashOf(text: string): Promise<string> {
	return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

export function hexOf(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
