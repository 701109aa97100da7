const HEAD_END = "\r\n\r\n";
/** Of the body, kept to see how it ends. */
const TAIL_BYTES = 24;
const CR = 0x0d;

export interface Answer {
	readonly status: number;
	/** Without the framing of chunks. */
	readonly bodyBytes: number;
	/** The last bytes of the body. */
	readonly tail: string;
}

/** Reads answers of HTTP/1.1 off one keep-alive connection, one after the other. Does no more than a load generator must, so
 *  that it takes little of the processor it shares with what it measures: it counts the body and keeps the end of it. */
export class AnswerReader {
	#pending: Buffer | null = null;
	#status = 0;
	#bodyBytes = 0;
	/** Bytes of the body, or of the current chunk with its line end, that are still to come. */
	#left = 0;
	#phase: "head" | "length" | "chunk-size" | "chunk" | "last-chunk" = "head";
	readonly #tail = Buffer.alloc(TAIL_BYTES);
	#tailBytes = 0;

	/** Takes what has come. Returns the answer when it is complete, and null before. Throws for what is not such an answer. */
	push(data: Buffer): Answer | null {
		let input = data;
		if (this.#pending) {
			input = Buffer.concat([this.#pending, data]);
			this.#pending = null;
		}
		let at = 0;
		while (at <= input.length) {
			switch (this.#phase) {
				case "head": {
					const end = input.indexOf(HEAD_END, at, "latin1");
					if (end < 0) return this.#keep(input, at);
					this.#readHead(input.toString("latin1", at, end));
					at = end + HEAD_END.length;
					break;
				}
				case "length": {
					const size = Math.min(this.#left, input.length - at);
					this.#body(input, at, size);
					at += size;
					if ((this.#left -= size) > 0) return null;
					return this.#complete(input, at);
				}
				case "chunk-size": {
					const end = input.indexOf("\r\n", at, "latin1");
					if (end < 0) return this.#keep(input, at);
					const size = parseInt(input.toString("latin1", at, end), 16);
					if (Number.isNaN(size)) throw new Error("a chunk without a size");
					this.#phase = size === 0 ? "last-chunk" : "chunk";
					this.#left = size;
					at = end + 2;
					break;
				}
				case "chunk": {
					const size = Math.min(this.#left, input.length - at);
					this.#body(input, at, size);
					at += size;
					this.#left -= size;
					if (this.#left > 0 || input.length < at + 2) return this.#keep(input, at);
					at += 2;
					this.#phase = "chunk-size";
					break;
				}
				case "last-chunk": {
					if (input.length < at + 2) return this.#keep(input, at);
					if (input[at] !== CR) throw new Error("trailers are not expected");
					return this.#complete(input, at + 2);
				}
			}
		}
		return null;
	}

	#readHead(head: string): void {
		const status = /^HTTP\/1\.1 (\d{3})/.exec(head);
		if (!status) throw new Error("no answer of HTTP/1.1");
		this.#status = Number(status[1]);
		const length = /\r\ncontent-length: *(\d+)/i.exec(head);
		if (length) {
			this.#phase = "length";
			this.#left = Number(length[1]);
		} else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
			this.#phase = "chunk-size";
		} else {
			throw new Error("an answer without a length");
		}
	}

	#body(input: Buffer, at: number, size: number): void {
		this.#bodyBytes += size;
		const fresh = Math.min(size, TAIL_BYTES);
		const kept = Math.min(this.#tailBytes, TAIL_BYTES - fresh);
		this.#tail.copyWithin(0, this.#tailBytes - kept, this.#tailBytes);
		input.copy(this.#tail, kept, at + size - fresh, at + size);
		this.#tailBytes = kept + fresh;
	}

	#keep(input: Buffer, at: number): null {
		if (at < input.length) this.#pending = input.subarray(at);
		return null;
	}

	#complete(input: Buffer, at: number): Answer {
		if (at < input.length) throw new Error("more came than was asked for");
		const answer = {
			status: this.#status,
			bodyBytes: this.#bodyBytes,
			tail: this.#tail.toString("latin1", 0, this.#tailBytes),
		};
		this.#phase = "head";
		this.#bodyBytes = 0;
		this.#tailBytes = 0;
		return answer;
	}
}
