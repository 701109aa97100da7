import { scanJson } from "../../src/shared/http/json-grammar.ts";
import { foldName, topLevelMembers, type Member } from "../../src/shared/http/json-members.ts";
import { stringAt, type JsonText, type Span } from "../../src/shared/http/json-values.ts";
import type { Tokens } from "../../src/shared/units.ts";

/** The most prompt tokens that one image is reserved for. GPT-4o counts up to 1,445 for one, Qwen2.5-VL's default is 16,384
 *  for the largest; what a bill is over it is the operator's. */
export const IMAGE_TOKENS_MAX: Tokens = 2_048;
/** A video, a file, or audio that is fetched from a link: nothing in the request tells its length. Qwen2.5-VL scales a video
 *  down to 24,576 tokens. */
export const UNSEEN_TOKENS_MAX: Tokens = 24_576;
/** OpenAI counts 10 tokens a second of audio, Whisper-style encoders 25 to 50. */
const AUDIO_TOKENS_PER_SECOND: Tokens = 50;
/** 8 kbit/s, the thinnest speech codec in use: a byte of audio is never more time than this. */
const AUDIO_BYTES_PER_SECOND = 1_000;

export interface Attachments {
	readonly images: number;
	readonly audio: number;
	readonly videos: number;
	/** Bytes of the prompt that are base64 and no text. */
	readonly bytes: number;
	readonly tokensMax: Tokens;
}

export const NO_ATTACHMENTS: Attachments = { images: 0, audio: 0, videos: 0, bytes: 0, tokensMax: 0 };

type Tally = { -readonly [K in keyof Attachments]: Attachments[K] };

/** What is no text in the parts of chat messages. Only what stands where a part carries its data counts as base64: any other
 *  text that looks like it is prompt. A part of an unknown kind that names an image, audio, video or file counts as
 *  `UNSEEN_TOKENS_MAX` beside its bytes, since some pool may know it. */
export function attachmentsOf(json: JsonText, messages: Span): Attachments {
	if (!mentionsAttachments(json.text, messages)) return NO_ATTACHMENTS;
	const tally: Tally = { ...NO_ATTACHMENTS };
	eachElement(json, messages, (message) => {
		for (const { name, value } of membersOf(json, message) ?? []) {
			if (foldName(name) === "content") eachElement(json, value, (part) => addPart(json, part, tally));
		}
	});
	return tally;
}

/** A quick look before the careful one. Needles that begin with a rare character and are shorter than seven are found at the
 *  speed of memory; longer ones cost as much as all else that is done with a large body. */
function mentionsAttachments(text: string, { start, end }: Span): boolean {
	for (const needle of NEEDLES) {
		const at = text.indexOf(needle, start);
		if (at >= 0 && at < end) return true;
	}
	const escape = text.indexOf("\\u00", start);
	return escape >= 0 && escape < end && ESCAPED_LETTER.test(text.slice(escape, end));
}

/** One of these is in every part that a pool is known to take for more than text: `image_url`, `input_audio`, `file_data`,
 *  `file_id`, `image_embeds`, ... unless letters of its name are escaped. */
const NEEDLES = ['_url"', "_audio", '_data"', '_id"', "_embed"];
const ESCAPED_LETTER = /\\u00[4-7]/;

function addPart(json: JsonText, part: Span, tally: Tally): void {
	if (json.text[part.start] !== "{") return;
	const members = membersOf(json, part);
	if (!members) {
		// No pool should read it; if one does, it may be anything.
		tally.tokensMax += UNSEEN_TOKENS_MAX;
		return;
	}
	const type = members.findLast(({ name }) => foldName(name) === "type");
	const kinds = new Set(members.map(({ name }) => foldName(name)));
	const named = type && stringAt(json, type.value);
	if (named !== undefined) kinds.add(foldName(named));

	const carried = (...names: string[]): number => dataBytes(json, members, names);
	if (kinds.has("image_url") || kinds.has("input_image")) {
		tally.images++;
		tally.bytes += carried("image_url");
		tally.tokensMax += IMAGE_TOKENS_MAX;
	} else if (kinds.has("input_audio") || kinds.has("audio_url")) {
		const bytes = carried("input_audio", "audio_url");
		tally.audio++;
		tally.bytes += bytes;
		tally.tokensMax +=
			bytes > 0 ? Math.ceil((bytes * 3) / 4 / AUDIO_BYTES_PER_SECOND) * AUDIO_TOKENS_PER_SECOND : UNSEEN_TOKENS_MAX;
	} else if (kinds.has("video_url")) {
		tally.videos++;
		tally.bytes += carried("video_url");
		tally.tokensMax += UNSEEN_TOKENS_MAX;
	} else if ([...kinds].some((kind) => UNKNOWN_KIND.test(kind))) {
		tally.tokensMax += UNSEEN_TOKENS_MAX;
	}
}

const UNKNOWN_KIND = /_url$|image|audio|video|file/;

/** Bytes of base64 in the members of these names: a data URL, bare or as the object's `url`, or the object's `data`. */
function dataBytes(json: JsonText, members: readonly Member[], names: readonly string[]): number {
	let bytes = 0;
	for (const { name, value } of members) {
		if (!names.includes(foldName(name))) continue;
		bytes += dataUrlBytes(json, value);
		for (const inner of membersOf(json, value) ?? []) {
			const field = foldName(inner.name);
			if (field === "url") bytes += dataUrlBytes(json, inner.value);
			else if (field === "data" && json.text[inner.value.start] === '"') bytes += stringBytes(inner.value);
		}
	}
	return bytes;
}

function dataUrlBytes({ text }: JsonText, value: Span): number {
	return text.startsWith('"data:', value.start) ? stringBytes(value) : 0;
}

function stringBytes({ start, end }: Span): number {
	return end - start - 2;
}

function membersOf(json: JsonText, span: Span): readonly Member[] | undefined {
	const members = json.text[span.start] === "{" ? topLevelMembers(json, span) : undefined;
	return members?.ok ? members.value : undefined;
}

function eachElement(json: JsonText, list: Span, visit: (element: Span) => void): void {
	if (json.text[list.start] !== "[") return;
	scanJson(json, list.start, list.end, (_key, _keyEnd, start, end) => {
		visit({ start, end });
		return null;
	});
}
