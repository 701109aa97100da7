import { pieceAt } from "./choice.ts";
import { stopReasonJson, usageJson, type Format } from "./format.ts";
import { completionLogprobs } from "./logprobs.ts";

export const completionFormat: Format = {
	idPrefix: "cmpl-",

	body(rendering, choices, usage) {
		const { id, created, model } = rendering;
		const list = choices.map(
			(choice) =>
				`{"index":${choice.index},"text":${JSON.stringify(choice.body)},` +
				`"logprobs":${completionLogprobs(choice, 0, choice.tokens, rendering.logprobs)},` +
				`"finish_reason":"${choice.finish}","stop_reason":${stopReasonJson(choice)},` +
				`"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null}`,
		);
		const used = usage ? `"usage":${usageJson(usage)},` : "";
		return (
			`{"id":"${id}","object":"text_completion","created":${created},"model":${model},"choices":[${list.join(",")}],` +
			`"service_tier":null,"system_fingerprint":null,${used}"kv_transfer_params":null}`
		);
	},

	chunkHead({ id, created, model }) {
		return `{"id":"${id}","object":"text_completion","created":${created},"model":${model},"choices":`;
	},

	opening() {
		return null;
	},

	token(rendering, choice, i) {
		const isLast = i === choice.tokens - 1;
		return (
			`[{"index":${choice.index},"text":${JSON.stringify(pieceAt(choice, i).text)},` +
			`"logprobs":${completionLogprobs(choice, i, i + 1, rendering.logprobs)},` +
			`"finish_reason":${isLast ? `"${choice.finish}"` : "null"},` +
			`"stop_reason":${isLast ? stopReasonJson(choice) : "null"},"prompt_token_ids":null,"token_ids":null}]`
		);
	},
};
