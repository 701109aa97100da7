import { badRequest, validationError, type VllmError } from "./errors.ts";
import { isObject, type JsonObject } from "./fields.ts";
import type { Segment } from "./prompt.ts";
import { hashText } from "./random.ts";
import { Unread } from "./skim.ts";
import { BEGIN_ID, END_ID, roleId } from "./tokenizer.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

/** 24 x 24 patches, as CLIP at 336 pixels gives them. */
export const TOKENS_PER_IMAGE = 576;
/** 25 tokens a second of 16-bit mono sound at 16 kHz; the data is base64. */
const AUDIO_BYTES_PER_TOKEN = 32_000 / 25;

/** The toy chat template: a begin token, the tools, then for each message a role token, its content and an end token, and
 *  the assistant's role token at last. */
export function renderChat(messages: unknown, tools: unknown): Result<Segment[], VllmError> {
	if (messages === undefined) return err(validationError("missing", ["messages"], "Field required"));
	if (messages instanceof Unread) return ok([BEGIN_ID, messages.media]);
	if (!Array.isArray(messages)) return err(validationError("list_type", ["messages"], "Input should be a valid list"));
	if (messages.length === 0) return err(badRequest("messages must not be empty.", "messages"));
	const segments: Segment[] = [BEGIN_ID];
	if (Array.isArray(tools) && tools.length > 0) segments.push(JSON.stringify(tools));
	for (const [i, message] of messages.entries()) {
		if (!isObject(message) || typeof message["role"] !== "string")
			return err(validationError("missing", ["messages", i, "role"], "Field required"));
		segments.push(roleId(message["role"]));
		const problem = renderContent(message, i, segments);
		if (problem) return err(problem);
		if (Array.isArray(message["tool_calls"])) segments.push(JSON.stringify(message["tool_calls"]));
		segments.push(END_ID);
	}
	segments.push(roleId("assistant"));
	return ok(segments);
}

function renderContent(message: JsonObject, index: number, segments: Segment[]): VllmError | null {
	const { content } = message;
	if (typeof content === "string") {
		segments.push(content);
		return null;
	}
	if (content === null || content === undefined) return null;
	if (!Array.isArray(content))
		return validationError("string_type", ["messages", index, "content"], "Input should be a valid string");
	for (const [i, part] of content.entries()) {
		const segment = isObject(part) ? renderPart(part) : null;
		if (segment === null)
			return validationError("missing", ["messages", index, "content", i], "Unknown or incomplete content part");
		segments.push(segment);
	}
	return null;
}

function renderPart(part: JsonObject): Segment | null {
	switch (part["type"]) {
		case "text":
			return asText(part["text"]);
		case "refusal":
			return asText(part["refusal"]);
		case "image_url": {
			const image = part["image_url"];
			const url = asText(isObject(image) ? image["url"] : image);
			return url === null ? null : { key: hashText(url), tokens: TOKENS_PER_IMAGE };
		}
		case "input_audio": {
			const data = isObject(part["input_audio"]) ? asText(part["input_audio"]["data"]) : null;
			if (data === null) return null;
			const bytes = (data.length * 3) / 4;
			return { key: hashText(data), tokens: Math.max(1, Math.ceil(bytes / AUDIO_BYTES_PER_TOKEN)) };
		}
		default:
			return null;
	}
}

function asText(value: unknown): string | null {
	return typeof value === "string" ? value : null;
}
