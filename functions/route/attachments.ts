import type { Span } from "../../src/shared/http/json-values.ts";
import type { Tokens } from "../../src/shared/units.ts";

/** The most prompt tokens that one image is reserved for. GPT-4o counts up to 1,445 for one, Qwen2.5-VL's default is 16,384
 *  for the largest; what a bill is over it is the operator's. */
export const IMAGE_TOKENS_MAX: Tokens = 2_048;
/** OpenAI counts 10 tokens a second of audio, Whisper-style encoders 25 to 50. */
const AUDIO_TOKENS_PER_SECOND: Tokens = 50;
/** 8 kbit/s, the thinnest speech codec in use: a byte of audio is never more time than this. */
const AUDIO_BYTES_PER_SECOND = 1_000;

export interface Attachments {
	readonly images: number;
	readonly audio: number;
	/** Bytes of the prompt that are base64 and no text. */
	readonly bytes: number;
	readonly tokensMax: Tokens;
}

export const NO_ATTACHMENTS: Attachments = { images: 0, audio: 0, bytes: 0, tokensMax: 0 };

/** Images and audio in chat messages, found in the raw text. */
export function attachmentsOf(text: string, prompt: Span): Attachments {
	if (!mentionsAttachments(text, prompt)) return NO_ATTACHMENTS;
	const images =
		count(text, prompt, '"image_url"', /"type"\s*:\s*$/) + count(text, prompt, '"input_image"', /"type"\s*:\s*$/);
	const audio = count(text, prompt, '"input_audio"', /"type"\s*:\s*$/);
	if (images + audio === 0) return NO_ATTACHMENTS;
	const imageBytes = stringBytes(text, prompt, /"data:image\/[a-z.+-]+;base64,/g);
	const audioBytes = audio > 0 ? stringBytes(text, prompt, /"data"\s*:\s*"/g) : 0;
	const audioSeconds = Math.ceil((audioBytes * 3) / 4 / AUDIO_BYTES_PER_SECOND);
	return {
		images,
		audio,
		bytes: imageBytes + audioBytes,
		tokensMax: images * IMAGE_TOKENS_MAX + audioSeconds * AUDIO_TOKENS_PER_SECOND,
	};
}

/** A quick look before the careful one. Needles that begin with a rare character and are shorter than seven are found at the
 *  speed of memory; longer ones cost as much as all else that is done with a large body. */
function mentionsAttachments(text: string, { start, end }: Span): boolean {
	return ['_url"', "_image", "_audio"].some((needle) => {
		const at = text.indexOf(needle, start);
		return at >= 0 && at < end;
	});
}

function count(text: string, prompt: Span, needle: string, before: RegExp): number {
	let found = 0;
	for (
		let at = text.indexOf(needle, prompt.start);
		at >= 0 && at < prompt.end;
		at = text.indexOf(needle, at + needle.length)
	) {
		if (before.test(text.slice(Math.max(prompt.start, at - 16), at))) found++;
	}
	return found;
}

/** Bytes of the strings that a pattern opens. Base64 holds no quotes and no escapes. */
function stringBytes(text: string, prompt: Span, opening: RegExp): number {
	let bytes = 0;
	opening.lastIndex = prompt.start;
	for (let match = opening.exec(text); match && match.index < prompt.end; match = opening.exec(text)) {
		const from = match.index + match[0].length;
		const to = text.indexOf('"', from);
		if (to < 0) break;
		bytes += to - from;
		opening.lastIndex = to + 1;
	}
	return bytes;
}
