import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export const USAGE = `Usage: isobar-kv-forwarder --gateway URL --replica POOL/REPLICA [options]

Carries the KV events of a vLLM or SGLang engine to Isobar. The pool's key (the secret that the catalog names as
events_secret) is read from the environment variable ISOBAR_EVENTS_KEY, or from a file.

  --gateway URL         Isobar, without /v1
  --replica NAME        pool/replica, as in the catalog
  --key-file FILE       the pool's key, instead of ISOBAR_EVENTS_KEY
  --events ENDPOINT     the engine's PUB socket; one with * is bound (default tcp://127.0.0.1:5557)
  --replay ENDPOINT     its replay ROUTER; without it every gap makes the gateway start anew
  --topic PREFIX        topics to listen to (default: all)
  --ranks N             data-parallel ranks; rank r is at both ports + r (default 1)
  --first-rank N        the first of them (default 0)
  --buffer-mib N        kept while the gateway cannot be reached (default 64 a rank)
  --linger-ms N         how long frames are gathered into one request (default 50)
`;

export interface Options {
	readonly gateway: string;
	readonly replica: string;
	readonly key: string;
	readonly events: string;
	readonly replay: string | null;
	readonly topic: string;
	readonly ranks: readonly number[];
	readonly bufferBytes: number;
	readonly lingerSeconds: number;
}

/** Throws with a sentence for whoever typed it. */
export function readOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Options {
	const text = { type: "string" } as const;
	const { values } = parseArgs({
		args: [...args],
		options: {
			gateway: text,
			replica: text,
			"key-file": text,
			events: text,
			replay: text,
			topic: text,
			ranks: text,
			"first-rank": text,
			"buffer-mib": text,
			"linger-ms": text,
		},
	});
	const gateway = values.gateway ?? "";
	if (!/^https?:\/\/[^/]/.test(gateway))
		throw new Error("--gateway: a URL is needed, such as https://isobar.example.com");
	const replica = values.replica ?? "";
	if (!/^[^/\s]+\/[^/\s]+$/.test(replica)) throw new Error("--replica: pool/replica is needed, as in the catalog");
	const file = values["key-file"];
	const key = (file === undefined ? (env["ISOBAR_EVENTS_KEY"] ?? "") : readFileSync(file, "utf8")).trim();
	if (!/^[\x21-\x7e]+$/.test(key))
		throw new Error("The pool's key is needed: set ISOBAR_EVENTS_KEY, or give --key-file");
	const firstRank = whole("--first-rank", values["first-rank"], 0, 0, 255);
	const ranks = whole("--ranks", values.ranks, 1, 1, 256 - firstRank);
	return {
		gateway,
		replica,
		key,
		events: values.events ?? "tcp://127.0.0.1:5557",
		replay: values.replay ?? null,
		topic: values.topic ?? "",
		ranks: Array.from({ length: ranks }, (_, index) => firstRank + index),
		bufferBytes: whole("--buffer-mib", values["buffer-mib"], 64, 1, 16_384) * 1024 * 1024,
		lingerSeconds: whole("--linger-ms", values["linger-ms"], 50, 0, 10_000) / 1_000,
	};
}

/** A rank's own endpoint: vLLM and SGLang add the rank to the port. */
export function endpointOf(endpoint: string, rank: number): string {
	if (rank === 0) return endpoint;
	const at = /:(\d+)$/.exec(endpoint);
	if (!at) throw new Error(`${endpoint}: has no port to add rank ${rank} to`);
	return `${endpoint.slice(0, at.index)}:${Number(at[1]) + rank}`;
}

function whole(name: string, value: string | undefined, fallback: number, min: number, max: number): number {
	if (value === undefined) return fallback;
	const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
	if (number >= min && number <= max) return number;
	throw new Error(`${name}: a whole number from ${min} to ${max} is needed`);
}
