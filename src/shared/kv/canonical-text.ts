import { isSpace, skipSpace, stringEnd } from "../http/json-grammar.ts";
import { ATTACHMENT_BYTES_MIN } from "../http/json-plain.ts";
import type { JsonText } from "../http/json-values.ts";
import { hash64 } from "./block-hash.ts";

const QUOTE = 0x22;
const COLON = 0x3a;
/** A copy of fewer bytes is faster one by one than by a call. */
const COPY_MIN = 48;

let scratch = new Uint8Array(0);

/** The text that a prefix is hashed over, gathered in one buffer of a fixed size. What does not fit is dropped. */
export class CanonicalText {
	readonly bytes: Uint8Array;
	length = 0;

	/** Good until the next one is made: a body's worth of fresh memory costs as much as hashing it. */
	constructor(bytesMax: number) {
		if (scratch.length < bytesMax) scratch = new Uint8Array(bytesMax);
		this.bytes = scratch.subarray(0, bytesMax);
	}

	get full(): boolean {
		return this.length === this.bytes.length;
	}

	byte(value: number): void {
		if (!this.full) this.bytes[this.length++] = value;
	}

	/** 32 bits, least byte first. */
	word(value: number): void {
		for (let shift = 0; shift < 32; shift += 8) this.byte((value >>> shift) & 0xff);
	}

	raw(from: Uint8Array, start: number, end: number): void {
		const { bytes, length } = this;
		const count = Math.min(end - start, bytes.length - length);
		if (count >= COPY_MIN) bytes.set(from.subarray(start, start + count), length);
		else for (let i = 0; i < count; i++) bytes[length + i] = from[start + i]!;
		if (count > 0) this.length += count;
	}

	/** Valid JSON without its insignificant whitespace. Strings stay as they are escaped; base64 of images and audio is
	 *  replaced by its hash. */
	json(json: JsonText, start: number, end: number): void {
		const { bytes } = json;
		let run = start;
		let at = start;
		while (at < end && at - run < this.bytes.length - this.length) {
			const byte = bytes[at]!;
			if (byte === QUOTE) {
				const close = stringEnd(json, at, end);
				if (close < 0) break;
				if (close - at >= ATTACHMENT_BYTES_MIN && isAttachment(json, at)) {
					this.raw(bytes, run, at);
					const { lo, hi } = hash64(bytes, at, close);
					this.word(lo);
					this.word(hi);
					run = close;
				}
				at = close;
			} else if (isSpace(byte)) {
				this.raw(bytes, run, at);
				run = at = skipSpace(bytes, at, end);
			} else at++;
		}
		this.raw(bytes, run, Math.min(at, end));
	}
}

/** A data URL, or the value of a member `data` (OpenAI's `input_audio`, Anthropic's `source`). */
function isAttachment({ bytes, text }: JsonText, open: number): boolean {
	if (text.startsWith("data:", open + 1)) return text.slice(open, open + 128).includes(";base64,");
	let before = open - 1;
	while (isSpace(bytes[before])) before--;
	if (bytes[before--] !== COLON) return false;
	while (isSpace(bytes[before])) before--;
	return text.endsWith('"data"', before + 1);
}
