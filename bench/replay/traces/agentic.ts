import { BLOCK_TOKENS, INPUT_TOKENS_MAX, type Trace, type TraceRequest } from "../trace.ts";

interface Entry {
	/** Seconds from the start of the session, or of the sub-agent that it stands in. */
	readonly t: number;
	readonly in?: number;
	readonly out?: number;
	/** Inclusive ranges of ids, each of 64 tokens, that mean something in this session only. */
	readonly hash_ids?: readonly (readonly [number, number])[];
	/** Of a sub-agent. */
	readonly requests?: readonly Entry[];
}

interface Session {
	readonly requests: readonly Entry[];
}

/** Ids of 64 tokens in a block. Each stands for the whole prefix, so the last of them names the block. */
const IDS_PER_BLOCK = BLOCK_TOKENS / 64;

/** Reads sessions of a coding agent (kv-cache-tester, run-length coded): one trace a session, with times from its start and
 *  block ids of its own. */
export function parseSessions(text: string): Trace[] {
	return text
		.split("\n")
		.filter((line) => line !== "")
		.map((line, index) => sessionOf(JSON.parse(line), index));
}

function sessionOf({ requests: entries }: Session, conversation: number): Trace {
	const known = new Map<number, number>();
	const requests: TraceRequest[] = [];
	const add = (entry: Entry, from: number): void => {
		const at = from + entry.t;
		for (const nested of entry.requests ?? []) add(nested, at);
		const { in: input = 0, out: output = 0, hash_ids: ranges = [] } = entry;
		if (input < 1 || input > INPUT_TOKENS_MAX) return;
		const blocks = Int32Array.from(blockNames(ranges, Math.floor(input / BLOCK_TOKENS)), (name) => {
			const id = known.get(name) ?? known.size;
			known.set(name, id);
			return id;
		});
		requests.push({ at, input, output: Math.max(1, output), blocks, conversation });
	};
	for (const entry of entries) add(entry, 0);
	return { requests: requests.sort((a, b) => a.at - b.at), blockIds: known.size, judgedFrom: 0 };
}

function blockNames(ranges: readonly (readonly [number, number])[], max: number): number[] {
	const names: number[] = [];
	/** Ids before the range at hand. */
	let before = 0;
	for (const [first, last] of ranges) {
		const count = last - first + 1;
		for (let n = IDS_PER_BLOCK - 1 - (before % IDS_PER_BLOCK); n < count; n += IDS_PER_BLOCK) {
			if (names.length === max) return names;
			names.push(first + n);
		}
		before += count;
	}
	return names;
}
