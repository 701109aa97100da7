import { pieceAt, type Choice, type Piece } from "./choice.ts";
import { stopReasonJson, usageJson, type Format, type Rendering, type Usage } from "./format.ts";
import { chatLogprobs } from "./logprobs.ts";

export const chatFormat: Format = {
	idPrefix: "chatcmpl-",

	body(rendering, choices, usage) {
		const { id, created, model } = rendering;
		const list = choices.map((choice) => choiceJson(choice, rendering)).join(",");
		return (
			`{"id":"${id}","object":"chat.completion","created":${created},"model":${model},"choices":[${list}],` +
			`"service_tier":null,"system_fingerprint":null,${usageMember(usage)}` +
			`"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}`
		);
	},

	chunkHead({ id, created, model }) {
		return `{"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${model},"choices":`;
	},

	opening(choice) {
		return `[{"index":${choice.index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]`;
	},

	token(rendering, choice, i) {
		const delta = deltaJson(pieceAt(choice, i), choice, rendering.reasoningField);
		const logprobs = chatLogprobs(choice, i, i + 1, rendering.logprobs);
		const end =
			i < choice.tokens - 1
				? `"finish_reason":null,"token_ids":null}]`
				: `"finish_reason":"${choice.finish}","stop_reason":${stopReasonJson(choice)},"token_ids":null}]`;
		return `[{"index":${choice.index},"delta":${delta},"logprobs":${logprobs},${end}`;
	},
};

function usageMember(usage: Usage | null): string {
	return usage ? `"usage":${usageJson(usage)},` : "";
}

function choiceJson(choice: Choice, rendering: Rendering): string {
	const content = choice.tool ? `""` : JSON.stringify(choice.body);
	const tools = choice.tool
		? `"tool_calls":[{"id":"${choice.tool.id}","type":"function","function":` +
			`{"name":${JSON.stringify(choice.tool.name)},"arguments":${JSON.stringify(choice.body)}}}],`
		: "";
	const reasoning = choice.reasoning === "" ? "null" : JSON.stringify(choice.reasoning);
	const message =
		`{"role":"assistant","content":${content},"refusal":null,"annotations":null,"audio":null,"function_call":null,` +
		`${tools}"${rendering.reasoningField}":${reasoning}}`;
	const logprobs = chatLogprobs(choice, 0, choice.tokens, rendering.logprobs);
	return (
		`{"index":${choice.index},"message":${message},"logprobs":${logprobs},"finish_reason":"${choice.finish}",` +
		`"stop_reason":${stopReasonJson(choice)},"token_ids":null}`
	);
}

function deltaJson(piece: Piece, choice: Choice, reasoningField: string): string {
	switch (piece.kind) {
		case "reasoning":
			return `{"${reasoningField}":${JSON.stringify(piece.text)}}`;
		case "tool": {
			const id = choice.tool?.id ?? "";
			const name = JSON.stringify(piece.text);
			return `{"tool_calls":[{"id":"${id}","type":"function","index":0,"function":{"name":${name},"arguments":""}}]}`;
		}
		case "body":
			return choice.tool
				? `{"tool_calls":[{"index":0,"function":{"arguments":${JSON.stringify(piece.text)}}}]}`
				: `{"content":${JSON.stringify(piece.text)}}`;
		case "end":
			return `{"content":""}`;
		default:
			return piece.kind satisfies never;
	}
}
