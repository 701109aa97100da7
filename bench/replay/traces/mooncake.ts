import { BLOCK_TOKENS, INPUT_TOKENS_MAX, type Trace, type TraceRequest } from "../trace.ts";

interface Line {
	/** Milliseconds. */
	readonly timestamp: number;
	readonly input_length: number;
	readonly output_length: number;
	readonly hash_ids: readonly number[];
}

/** Reads a trace of Mooncake (FAST '25): its block ids are global and of 512 tokens. The partial block at a prompt's end is
 *  left out, since engines only keep whole ones. What shares its second block is one conversation: the first is one system
 *  prompt for all of the conversation trace. */
export function parseMooncake(text: string): Trace {
	let blockIds = 0;
	const requests: TraceRequest[] = [];
	for (const line of text.split("\n")) {
		if (line === "") continue;
		const { timestamp, input_length: input, output_length: output, hash_ids: ids }: Line = JSON.parse(line);
		if (input > INPUT_TOKENS_MAX || ids.length === 0) continue;
		for (const id of ids) blockIds = Math.max(blockIds, id + 1);
		requests.push({
			at: timestamp / 1_000,
			input: Math.max(1, input),
			output: Math.max(1, output),
			blocks: Int32Array.from(ids.slice(0, Math.floor(input / BLOCK_TOKENS))),
			conversation: ids[1] ?? ids[0]!,
		});
	}
	return { requests: requests.sort((a, b) => a.at - b.at), blockIds, judgedFrom: 0 };
}
