import { KV_BATCH_EVENTS_MAX, KV_BATCHES_MAX, KV_EVENTS_WORDS_MAX } from "../../limits.ts";
import { err, ok, type Result } from "../../result.ts";
import { decodeBatch, decodePayload } from "./decode-batch.ts";
import type { EventBatch, EventFault, SequencedBatch } from "./event.ts";
import { unpack } from "./msgpack.ts";

const SEQUENCE_BYTES = 8;
/** The envelope alone: the batches in it are binary. */
const ENVELOPE_ELEMENTS_MAX = 16 * KV_BATCHES_MAX;
/** Deeper than any encoding of a batch. */
const JSON_DEPTH_MAX = 16;

/** The body of `POST /v1/kv/events`: `{"batches": [{"seq", "lost"?, "payload" | "batch"}]}`. In msgpack `payload` is the third
 *  ZMQ frame as it came and `seq` an integer or the second frame; in JSON `batch` is the batch itself. */
export function decodePost(bytes: Uint8Array, type: "msgpack" | "json"): Result<SequencedBatch[], EventFault> {
	const value = type === "msgpack" ? unpack(bytes, ENVELOPE_ELEMENTS_MAX) : parseJson(bytes);
	if (!value.ok) return err({ path: "body", message: `no ${type}: ${value.error}` });
	const list = isMap(value.value) ? value.value["batches"] : undefined;
	if (!Array.isArray(list)) return err({ path: "batches", message: "a list of batches is expected" });
	if (list.length > KV_BATCHES_MAX) {
		const message = `${list.length} batches; the limit of a request is ${KV_BATCHES_MAX}`;
		return err({ path: "batches", message, limit: { name: "batches", max: KV_BATCHES_MAX, found: list.length } });
	}
	const batches: SequencedBatch[] = [];
	let words = 0;
	let events = 0;
	for (let index = 0; index < list.length; index++) {
		const decoded = decodeOne(list[index], `batches[${index}]`);
		if (!decoded.ok) return decoded;
		batches.push(decoded.value);
		words += wordsOf(decoded.value.batch);
		events += decoded.value.batch.events.length;
		if (words > KV_EVENTS_WORDS_MAX) return tooMany(index, "token ids and hash words", KV_EVENTS_WORDS_MAX, words);
		if (events > KV_BATCH_EVENTS_MAX) return tooMany(index, "events", KV_BATCH_EVENTS_MAX, events);
	}
	return ok(batches);
}

function decodeOne(value: unknown, path: string): Result<SequencedBatch, EventFault> {
	if (!isMap(value)) return err({ path, message: "a map with seq and a payload or batch is expected" });
	const seq = sequenceOf(value["seq"]);
	if (seq === null) {
		const message = "a whole number from 0 to 2^53 - 1, or those 8 bytes big-endian, is expected";
		return err({ path: `${path}.seq`, message });
	}
	const lost = value["lost"] ?? false;
	if (typeof lost !== "boolean") return err({ path: `${path}.lost`, message: "true or false is expected" });
	const { payload } = value;
	const batch =
		payload instanceof Uint8Array
			? decodePayload(payload, `${path}.payload`)
			: decodeBatch(value["batch"], `${path}.batch`);
	return batch.ok ? ok({ seq, lost, batch: batch.value }) : batch;
}

function wordsOf({ events }: EventBatch): number {
	let words = 0;
	for (const event of events) {
		if (event.kind === "stored") words += event.ids.length + event.tokens.length;
		else if (event.kind === "removed") words += event.ids.length;
	}
	return words;
}

function tooMany(index: number, name: string, max: number, found: number) {
	const message = `with this batch the request has ${found} ${name}; the limit of a request is ${max}`;
	return err({ path: `batches[${index}]`, message, limit: { name: `${name} of a request`, max, found } });
}

function sequenceOf(value: unknown): number | null {
	let seq = value;
	if (seq instanceof Uint8Array) {
		if (seq.length !== SEQUENCE_BYTES) return null;
		seq = new DataView(seq.buffer, seq.byteOffset, SEQUENCE_BYTES).getBigUint64(0);
	}
	if (typeof seq === "bigint") seq = Number(seq);
	return typeof seq === "number" && Number.isSafeInteger(seq) && seq >= 0 ? seq : null;
}

function parseJson(bytes: Uint8Array): Result<unknown, string> {
	if (isDeep(bytes)) return err(`nested deeper than ${JSON_DEPTH_MAX}`);
	try {
		return ok(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)));
	} catch (error) {
		return err(error instanceof Error ? error.message : "unreadable");
	}
}

/** Millions of open brackets would fill the isolate before the parser finds that they are never closed. */
function isDeep(bytes: Uint8Array): boolean {
	let depth = 0;
	let quoted = false;
	for (let at = 0; at < bytes.length; at++) {
		const byte = bytes[at]!;
		if (byte === 0x22) quoted = !quoted;
		else if (quoted) {
			if (byte === 0x5c) at++;
		} else if (byte === 0x5b || byte === 0x7b) {
			if (++depth > JSON_DEPTH_MAX) return true;
		} else if (byte === 0x5d || byte === 0x7d) depth--;
	}
	return false;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
