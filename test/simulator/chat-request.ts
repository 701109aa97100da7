import { renderChat } from "./chat-messages.ts";
import { badRequest, type VllmError } from "./errors.ts";
import { Fields, isObject, type JsonObject } from "./fields.ts";
import { readSampling, type GenerationRequest, type ToolRequest } from "./generation-request.ts";
import { instanceOf } from "./json-instance.ts";
import { promptOf } from "./prompt.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

const TOP_LOGPROBS_MAX = 20;

/** Reads a chat completion request; `replica` is named in JSON answers. */
export function readChat(body: JsonObject, replica: string): Result<GenerationRequest, VllmError> {
	const fields = new Fields(body);
	const sampling = readSampling(fields);
	const maxTokens = fields.integer("max_completion_tokens", 1) ?? fields.integer("max_tokens", 1) ?? null;
	const logprobs = readLogprobs(fields);
	const tool = readTool(fields);
	const text = tool ? null : readFormat(fields, replica);
	const segments = renderChat(fields.get("messages"), fields.get("tools"));
	if (!segments.ok) return segments;
	if (fields.error) return err(fields.error);
	return ok({ ...sampling, prompts: [promptOf(segments.value)], maxTokens, logprobs, tool, text });
}

function readLogprobs(fields: Fields): number | null {
	const wanted = fields.boolean("logprobs");
	const top = fields.integer("top_logprobs", 0);
	if (top !== undefined && top > 0 && !wanted)
		fields.fail(badRequest("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs"));
	if (top !== undefined && top > TOP_LOGPROBS_MAX) {
		const message = `Requested sample logprobs of ${top}, which is greater than max allowed: ${TOP_LOGPROBS_MAX}`;
		fields.fail(badRequest(message, "top_logprobs"));
	}
	return wanted ? (top ?? 0) : null;
}

/** A call to make: the named function, or the first one when a call is required. With "auto" the simulator answers text. */
function readTool(fields: Fields): ToolRequest | null {
	const choice = fields.get("tool_choice");
	if (choice === undefined || choice === "none" || choice === "auto") return null;
	const tools = fields.get("tools");
	if (!Array.isArray(tools) || tools.length === 0) {
		fields.fail(badRequest("When using `tool_choice`, `tools` must be set.", "tool_choice"));
		return null;
	}
	const functions = tools.map((tool) => (isObject(tool) && isObject(tool["function"]) ? tool["function"] : {}));
	const named = isObject(choice) && isObject(choice["function"]) ? choice["function"]["name"] : null;
	const chosen = named === null ? functions[0] : functions.find((candidate) => candidate["name"] === named);
	if (!chosen || typeof chosen["name"] !== "string" || (named === null && choice !== "required")) {
		fields.fail(badRequest("The tool specified in `tool_choice` does not match any of the specified `tools`", "tools"));
		return null;
	}
	const args = JSON.stringify(instanceOf(chosen["parameters"]));
	return { name: chosen["name"], arguments: args, named: named !== null };
}

function readFormat(fields: Fields, replica: string): string | null {
	const format = fields.object("response_format");
	switch (format?.["type"]) {
		case "json_object":
			return JSON.stringify({ simulated: true, replica, answer: "This is a simulated answer." });
		case "json_schema": {
			const schema = format["json_schema"];
			if (isObject(schema) && isObject(schema["schema"])) return JSON.stringify(instanceOf(schema["schema"]));
			fields.fail(badRequest("When response_format type is 'json_schema', the 'json_schema' field must be provided."));
			return null;
		}
		case undefined:
		case "text":
			return null;
		default:
			fields.fail(badRequest("response_format.type must be text, json_object or json_schema.", "response_format"));
			return null;
	}
}
