import { KV_BATCH_BYTES_MAX, KV_BATCH_EVENTS_MAX } from "../../limits.ts";
import { err, ok, type Result } from "../../result.ts";
import { decodeEvent } from "./decode-event.ts";
import type { EventBatch, EventFault, KvEvent } from "./event.ts";
import { unpack } from "./msgpack.ts";

/** Entries of arrays and maps in one batch: token ids, hashes and fields. */
const ELEMENTS_MAX = 2_000_000;
export const RANK_MAX = 255;

/** An engine's batch out of its msgpack payload. */
export function decodePayload(bytes: Uint8Array, path: string): Result<EventBatch, EventFault> {
	if (bytes.length > KV_BATCH_BYTES_MAX) {
		const message = `${bytes.length} bytes; the limit of a batch is ${KV_BATCH_BYTES_MAX}`;
		return err({ path, message, limit: { name: "batch bytes", max: KV_BATCH_BYTES_MAX, found: bytes.length } });
	}
	const value = unpack(bytes, ELEMENTS_MAX);
	return value.ok ? decodeBatch(value.value, path) : err({ path, message: `no msgpack: ${value.error}` });
}

/** An engine's batch: an array `[ts, events, data_parallel_rank?]` or a map with those members, holding events in either
 *  form (`decodeEvent`). So all of vLLM's three encodings and SGLang's are read, from msgpack and from JSON alike. */
export function decodeBatch(value: unknown, path: string): Result<EventBatch, EventFault> {
	if (typeof value !== "object" || value === null || value instanceof Uint8Array) {
		return err({ path, message: "a batch is an array [ts, events, rank] or a map with ts and events" });
	}
	const map = value as Readonly<Record<string, unknown>>;
	const [ts, list, rank]: readonly unknown[] = Array.isArray(value)
		? value
		: [map["ts"], map["events"], map["data_parallel_rank"]];
	if (typeof ts !== "number" || !Number.isFinite(ts)) {
		return err({ path: `${path}.ts`, message: "a number (Unix seconds) is expected" });
	}
	if (!Array.isArray(list)) return err({ path: `${path}.events`, message: "a list of events is expected" });
	if (list.length > KV_BATCH_EVENTS_MAX) {
		const message = `${list.length} events; the limit of a batch is ${KV_BATCH_EVENTS_MAX}`;
		const limit = { name: "events of a batch", max: KV_BATCH_EVENTS_MAX, found: list.length };
		return err({ path: `${path}.events`, message, limit });
	}
	if (rank !== undefined && rank !== null && !isRank(rank)) {
		return err({ path: `${path}.data_parallel_rank`, message: `a whole number from 0 to ${RANK_MAX} is expected` });
	}
	const events: KvEvent[] = [];
	let unknown = 0;
	for (let index = 0; index < list.length; index++) {
		const event = decodeEvent(list[index], `${path}.events[${index}]`);
		if (!event.ok) return event;
		if (event.value) events.push(event.value);
		else unknown++;
	}
	return ok({ ts, events, rank: rank ?? null, unknown });
}

export function isRank(value: unknown): value is number {
	return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= RANK_MAX;
}
