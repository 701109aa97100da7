import type { Sign, Verify } from "./message-signature.ts";

export const PUBLIC_KEY_BYTES = 32;

/** What verifies with a public key of 32 bytes; null if they are not one. */
export async function verifierOf(publicKey: Uint8Array<ArrayBuffer>): Promise<Verify | null> {
	if (publicKey.length !== PUBLIC_KEY_BYTES) return null;
	try {
		const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
		return (signature, bytes) => crypto.subtle.verify("Ed25519", key, signature, bytes);
	} catch {
		return null;
	}
}

/** What signs with a private key. */
export function signerOf(key: CryptoKey): Sign {
	return async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes));
}
