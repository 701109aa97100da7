/** What every key starts with: a leaked one can be found by scanners, and one of another service is seen at once. */
export const KEY_PREFIX = "isobar_";
/** Random bytes in a key. */
export const KEY_BYTES = 24;

// In the order of their character codes, so that texts of equal length sort as the numbers do.
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
// ceil(192 / log2(62)) and ceil(32 / log2(62))
const BODY_LENGTH = 33;
const CHECKSUM_LENGTH = 6;
const FORMAT = new RegExp(`^${KEY_PREFIX}([0-9A-Za-z]{${BODY_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`);

/** A key from 24 random bytes: `isobar_`, the bytes in base 62, and the CRC-32 of that text in base 62. */
export function formatKey(bytes: Uint8Array): string {
	if (bytes.length !== KEY_BYTES) throw new RangeError(`A key is made from ${KEY_BYTES} bytes, not ${bytes.length}`);
	const body = base62(bytes, BODY_LENGTH);
	return KEY_PREFIX + body + checksum(body);
}

/** Whether `text` can be a key at all. Any single wrong character is found, so a mistyped key costs no look-up. */
export function checkKeyFormat(text: string): boolean {
	const match = FORMAT.exec(text);
	return match !== null && checksum(match[1] ?? "") === match[2];
}

/** Enough of a key for people to recognise it by: `isobar_ab12…`. */
export function displayKey(key: string): string {
	return `${key.slice(0, KEY_PREFIX.length + 4)}…`;
}

/** SHA-256 as hex: under this a key is stored. A key has 192 random bits, so a slow hash would add nothing. */
export async function hashKey(key: string): Promise<string> {
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
	return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `key_...` from the time of creation and 8 random bytes; ids sort by the second they were made in. */
export function formatKeyId(createdAt: number, bytes: Uint8Array): string {
	return `key_${base62Number(BigInt(Math.floor(createdAt)), 6)}${base62(bytes, 11)}`;
}

function base62(bytes: Uint8Array, length: number): string {
	let value = 0n;
	for (const byte of bytes) value = (value << 8n) | BigInt(byte);
	return base62Number(value, length);
}

function base62Number(value: bigint, length: number): string {
	let text = "";
	for (let rest = value; text.length < length; rest /= 62n) text = (ALPHABET[Number(rest % 62n)] ?? "") + text;
	return text;
}

function checksum(body: string): string {
	return base62Number(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

/** CRC-32 (ISO 3309, as in zlib) of ASCII text. */
export function crc32(text: string): number {
	let crc = 0xffffffff;
	for (let index = 0; index < text.length; index++) {
		crc ^= text.charCodeAt(index);
		for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return (crc ^ 0xffffffff) >>> 0;
}
