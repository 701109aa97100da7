import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { seeded } from "../../../test/simulator/random.ts";
import type { Trace } from "../trace.ts";
import { parseSessions } from "./agentic.ts";
import { parseMooncake } from "./mooncake.ts";
import { sampleSessions, sampleTrace, type Half } from "./sample.ts";

export const TRACE_IDS = ["conversation", "synthetic", "agentic"] as const;
export type TraceId = (typeof TRACE_IDS)[number];

export interface TraceSpec {
	readonly title: string;
	/** Under the data directory. */
	readonly file: string;
	/** Where the public finds it. */
	readonly origin: string;
}

export const TRACES: Readonly<Record<TraceId, TraceSpec>> = {
	conversation: {
		title: "Mooncake conversation",
		file: "traces/mooncake_conversation_trace.jsonl.gz",
		origin: "github.com/kvcache-ai/Mooncake at 3b5a594, FAST25-release/traces/conversation_trace.jsonl, gzipped",
	},
	synthetic: {
		title: "Mooncake synthetic",
		file: "traces/mooncake_synthetic_trace.jsonl.gz",
		origin: "github.com/kvcache-ai/Mooncake at 3b5a594, FAST25-release/traces/synthetic_trace.jsonl, gzipped",
	},
	agentic: {
		title: "Claude Code sessions",
		file: "traces/claude_code_agentic_kvct_rle.jsonl.gz",
		origin:
			"github.com/callanjfox/kv-cache-tester at 94f6046, traces/trace_*.json: one session a line, hash_ids as inclusive ranges, gzipped",
	},
};

/** The conversation trace is recorded in steps of 3 s. */
const GRID_SECONDS: Readonly<Record<"conversation" | "synthetic", number>> = { conversation: 3, synthetic: 0 };
const SESSIONS = 210;

/** The traces of a data directory, each read once. */
export class TraceStore {
	readonly #directory: string;
	readonly #traces = new Map<TraceId, Promise<Trace | Trace[]>>();

	constructor(directory: string) {
		this.#directory = directory;
	}

	/** What `seed` draws from one half of a trace. Rejects, naming the source, when the file cannot be read. */
	async sample(id: TraceId, half: Half, seed: number, size: number): Promise<Trace> {
		let read = this.#traces.get(id);
		if (!read) this.#traces.set(id, (read = this.#read(id)));
		const trace = await read;
		const sampling = { half, rng: seeded(seed), size };
		if (Array.isArray(trace)) return sampleSessions(trace, SESSIONS, sampling);
		return sampleTrace(trace, id === "agentic" ? 0 : GRID_SECONDS[id], sampling);
	}

	async #read(id: TraceId): Promise<Trace | Trace[]> {
		const { title, file, origin } = TRACES[id];
		let text: string;
		try {
			text = (await promisify(gunzip)(await readFile(join(this.#directory, file)))).toString("utf8");
		} catch (cause) {
			throw new Error(`The trace ${title} cannot be read from ${file} in the data directory. It is ${origin}.`, {
				cause,
			});
		}
		return id === "agentic" ? parseSessions(text) : parseMooncake(text);
	}
}
