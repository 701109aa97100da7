import { SSE_EVENT_BYTES_MAX } from "../limits.ts";
import { HeldBytes, NOTHING, Passed } from "./sse-bytes.ts";
import {
	COLON,
	CR,
	ERROR,
	eventData,
	FINISH,
	isDone,
	LF,
	parseEvent,
	readDataLine,
	TOKEN,
	USAGE,
} from "./sse-event.ts";
import { reportedUsage, type ReportedUsage } from "./usage.ts";

export interface SseTapOptions {
	/** Takes out the event whose `choices` is empty and which has a usage: for a client that did not ask for it. */
	readonly dropUsageEvent?: boolean;
	readonly eventBytesMax?: number;
}

const utf8 = new TextDecoder();
const DATA = [0x64, 0x61, 0x74, 0x61, COLON] as const;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** Watches a pool's stream of server-sent events (HTML standard, section 9.2) on its way to the client. Lets only whole
 *  events pass, so that a client never gets half an event of a stream that is cut; counts them, and parses only those that
 *  may hold a usage or an error. Lines end in LF, CRLF or CR. Comment lines before an event pass at once. */
export class SseTap {
	readonly #dropUsageEvent: boolean;
	readonly #eventBytesMax: number;
	/** The event that is not complete yet, as far as earlier chunks brought it. */
	readonly #held = new HeldBytes();
	/** How many of its lines are complete. */
	#lines = 0;
	#firstEvent = true;
	/** The last byte was a CR: an LF after it is part of the same line end. */
	#afterCr = false;
	#lastDropped = false;
	#dataEvents = 0;
	#tokenEvents = 0;
	#isJson = true;
	#done = false;
	#finished = false;
	#overflow = false;
	#error: string | null = null;
	#usage: ReportedUsage | null = null;

	constructor(options: SseTapOptions = {}) {
		this.#dropUsageEvent = options.dropUsageEvent ?? false;
		this.#eventBytesMax = options.eventBytesMax ?? SSE_EVENT_BYTES_MAX;
	}

	/** Events with data so far, `[DONE]` included. Comments are none: while this is 0 the answer has not begun. */
	get dataEvents(): number {
		return this.#dataEvents;
	}

	/** Events so far that carry output of the model, not empty: text, reasoning, a refusal, a tool call, audio. */
	get tokenEvents(): number {
		return this.#tokenEvents;
	}

	/** False when the first data event was neither a JSON object nor `[DONE]`. */
	get isJson(): boolean {
		return this.#isJson;
	}

	/** `[DONE]` has come. */
	get done(): boolean {
		return this.#done;
	}

	/** A choice had a `finish_reason`. */
	get finished(): boolean {
		return this.#finished;
	}

	/** The data of the first error event: `{"error": ...}`, or any data of an event that is named `error`. */
	get error(): string | null {
		return this.#error;
	}

	/** From the last event that had a usage object. */
	get usage(): ReportedUsage | null {
		return this.#usage;
	}

	/** An event was longer than is allowed: it was dropped, and nothing more is forwarded. */
	get overflow(): boolean {
		return this.#overflow;
	}

	/** Takes the next chunk, cut anywhere, and returns what may be forwarded: whole events, byte for byte as they came, or
	 *  nothing (length 0). It is the chunk itself, not a copy, where the chunk ends with an event and all of it passes.
	 *  Nothing of the chunk is kept, so its buffer may be handed on. */
	push(chunk: Uint8Array): Uint8Array {
		return chunk.length === 0 || this.#overflow ? NOTHING : this.#read(chunk);
	}

	/** Ends the stream and returns what may still be forwarded. An event without its blank line is discarded, as the standard and the SDKs do; only a `[DONE]` passes,
	 *  since nothing can follow it and some pools end right there. */
	end(): Uint8Array {
		const rest = this.#held.take();
		if (rest.length === 0) return NOTHING;
		const { data } = eventData(rest);
		if (data === null || !isDone(data, 0, data.length)) return NOTHING;
		this.#dataEvents++;
		this.#done = true;
		return rest;
	}

	#read(chunk: Uint8Array): Uint8Array {
		const passed = new Passed(chunk);
		// Bytes of the event at hand that earlier chunks brought, and whether they end within a line.
		let held = this.#held.length;
		let inLine = held > 0 && this.#held.last !== LF && this.#held.last !== CR;
		let event = 0;
		let line = 0;
		if (this.#afterCr && chunk[0] === LF) {
			line = 1;
			if (held === 0) {
				event = 1;
				if (this.#lastDropped) passed.skip(0, 1);
			}
		}
		this.#afterCr = false;

		for (let at = line; at < chunk.length;) {
			if (at === event && held === 0 && startsWith(chunk, at, DATA)) {
				const next = this.#readWholeLine(chunk, at);
				if (next > 0) {
					if (this.#lastDropped) passed.skip(at, next);
					at = event = line = next;
					continue;
				}
			}
			const lineEnd = endOfLine(chunk, at);
			if (lineEnd === chunk.length) break;
			const blank = lineEnd === line && !inLine;
			at = lineEnd + 1;
			if (chunk[lineEnd] === CR) {
				if (at === chunk.length) this.#afterCr = true;
				else if (chunk[at] === LF) at++;
			}
			line = at;
			inLine = false;
			if (!blank && (held > 0 ? this.#held.first : chunk[event]) !== COLON) {
				this.#lines++;
				continue;
			}

			if (held + at - event > this.#eventBytesMax) {
				this.#giveUp();
				return passed.upTo(event);
			}
			if (held > 0) {
				this.#held.append(chunk.subarray(0, at));
				held = 0;
				const whole = this.#held.take();
				this.#lastDropped = this.#readEvent(whole);
				passed.skip(0, at);
				if (!this.#lastDropped) passed.add(whole);
			} else {
				this.#lastDropped = this.#readEvent(chunk.subarray(event, at));
				if (this.#lastDropped) passed.skip(event, at);
			}
			event = at;
			this.#lines = 0;
		}

		if (held + chunk.length - event > this.#eventBytesMax) this.#giveUp();
		else if (event < chunk.length) this.#held.append(chunk.subarray(event));
		return passed.upTo(event);
	}

	/** Reads an event of one data line, as nearly all are, that is whole in `chunk`: its end is found while it is read. Returns
	 *  the offset after it, or 0 where it is no such event. */
	#readWholeLine(chunk: Uint8Array, start: number): number {
		const { end, traits } = readDataLine(chunk, start + DATA.length);
		const next = afterBlankLine(chunk, end);
		if (next === 0 || next - start > this.#eventBytesMax) return 0;
		this.#firstEvent = false;
		this.#lastDropped = this.#readData(chunk, start + DATA.length, end, traits);
		return next;
	}

	/** Counts one whole event. Returns whether it is to be taken out. */
	#readEvent(bytes: Uint8Array): boolean {
		const from = this.#firstEvent && startsWith(bytes, 0, BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
		this.#firstEvent = false;
		const first = bytes[from];
		if (first === COLON || first === LF || first === CR) return false;
		if (this.#lines === 1 && startsWith(bytes, from, DATA)) {
			const { end, traits } = readDataLine(bytes, from + DATA.length);
			return this.#readData(bytes, from + DATA.length, end, traits);
		}
		const { data, named } = eventData(bytes.subarray(from));
		if (data === null) return false;
		if (named === "error") this.#error ??= utf8.decode(data);
		return this.#readData(data, 0, data.length, readDataLine(data, 0).traits);
	}

	#readData(bytes: Uint8Array, start: number, end: number, traits: number): boolean {
		this.#dataEvents++;
		if (isDone(bytes, start, end)) {
			this.#done = true;
			return false;
		}
		if (traits & TOKEN) this.#tokenEvents++;
		if (traits & FINISH) this.#finished = true;
		if ((traits & (USAGE | ERROR)) === 0 && this.#dataEvents > 1) return false;
		const data = bytes.subarray(start, end);
		const { isObject, usage, error, noChoices } = parseEvent(data);
		if (this.#dataEvents === 1) this.#isJson = isObject;
		if (usage !== null) this.#usage = reportedUsage(usage);
		if (error) this.#error ??= utf8.decode(data).trim();
		return this.#dropUsageEvent && usage !== null && noChoices && !error;
	}

	#giveUp(): void {
		this.#overflow = true;
		this.#held.take();
	}
}

function endOfLine(bytes: Uint8Array, from: number): number {
	let at = from;
	while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++;
	return at;
}

/** The offset after the blank line that follows the line end at `end`; 0 where none surely does, or it mixes line ends. */
function afterBlankLine(bytes: Uint8Array, end: number): number {
	if (bytes[end] === LF) return bytes[end + 1] === LF ? end + 2 : 0;
	const twice = bytes[end + 1] === LF && bytes[end + 2] === CR && bytes[end + 3] === LF;
	return bytes[end] === CR && twice ? end + 4 : 0;
}

function startsWith(bytes: Uint8Array, start: number, prefix: readonly number[]): boolean {
	for (let index = 0; index < prefix.length; index++) if (bytes[start + index] !== prefix[index]) return false;
	return true;
}
