/** A number in [0, 1) that is drawn anew for each round and client, and is always the same for the same two. */
export async function lotOf(round: number, client: string): Promise<number> {
	const bytes = new TextEncoder().encode(`isobar lot 1\n${round}\n${client}`);
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	return new DataView(digest).getUint32(0) / 2 ** 32;
}
