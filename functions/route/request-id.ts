/** Crockford's base 32: no letter is mistaken for a digit. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** `req_` + 10 characters of time (milliseconds) + 16 of chance, as in a ULID: sorts by time, guessed by nobody. */
export function requestId(nowMs: number): string {
	let time = "";
	for (let rest = nowMs, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time;
	let chance = "";
	for (const byte of crypto.getRandomValues(new Uint8Array(16))) chance += ALPHABET[byte & 31];
	return `req_${time}${chance}`;
}

/** When a request of this id came, in Unix milliseconds; null for what is no such id. */
export function requestTimeMs(id: string): number | null {
	if (!/^req_[0-9a-hjkmnp-tv-z]{26}$/.test(id)) return null;
	let time = 0;
	for (const digit of id.slice(4, 14)) time = time * 32 + ALPHABET.indexOf(digit);
	return time;
}
