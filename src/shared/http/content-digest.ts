import { err, ok, type Result } from "../result.ts";
import { parseDictionary, serializeBytes } from "./structured-fields.ts";

const SHA256_BYTES = 32;

/** The SHA-256 that a Content-Digest field (RFC 9530) names; other algorithms beside it are passed over. */
export function readContentDigest(
	field: string | null,
): Result<Uint8Array<ArrayBuffer>, "digest_missing" | "digest_malformed"> {
	if (field === null) return err("digest_missing");
	const members = parseDictionary(field);
	if (!members) return err("digest_malformed");
	const member = members.get("sha-256");
	if (!member) return err("digest_missing");
	const bytes = "value" in member ? member.value : null;
	return bytes instanceof Uint8Array && bytes.length === SHA256_BYTES ? ok(bytes) : err("digest_malformed");
}

/** The field that names this SHA-256. */
export function contentDigest(sha256: Uint8Array): string {
	return `sha-256=${serializeBytes(sha256)}`;
}

/** Whether two digests are the same. They are no secret: a plain comparison. */
export function isSameDigest(a: Uint8Array, b: Uint8Array): boolean {
	return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
