/** Compares digests, so that the time tells neither how far the texts agree nor how long the secret is. */
export async function isSameSecret(a: string, b: string): Promise<boolean> {
	const encoder = new TextEncoder();
	const [left, right] = await Promise.all([a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))));
	return left !== undefined && right !== undefined && crypto.subtle.timingSafeEqual(left, right);
}
