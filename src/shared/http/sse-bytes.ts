export const NOTHING = new Uint8Array();

const LEAST = 1024;

/** Bytes that wait for more, in one growing buffer: any number of small pieces cost linear time and at most twice their
 *  size. */
export class HeldBytes {
	#buffer = NOTHING;
	#length = 0;

	get length(): number {
		return this.#length;
	}

	get first(): number | undefined {
		return this.#buffer[0];
	}

	get last(): number | undefined {
		return this.#buffer[this.#length - 1];
	}

	/** Copies, so that the piece may be handed on. */
	append(piece: Uint8Array): void {
		const length = this.#length + piece.length;
		if (length > this.#buffer.length) {
			const grown = new Uint8Array(Math.max(LEAST, length, 2 * this.#buffer.length));
			grown.set(this.#buffer.subarray(0, this.#length));
			this.#buffer = grown;
		}
		this.#buffer.set(piece, this.#length);
		this.#length = length;
	}

	/** Gives all of it away and starts anew. */
	take(): Uint8Array {
		const taken = this.#buffer.subarray(0, this.#length);
		this.#buffer = NOTHING;
		this.#length = 0;
		return taken;
	}
}

/** What passes of a chunk: all of it, but for what is skipped, and with what is added in its place. */
export class Passed {
	readonly #chunk: Uint8Array;
	readonly #pieces: Uint8Array[] = [];
	/** Up to here the chunk is in the pieces or skipped. */
	#settled = 0;

	constructor(chunk: Uint8Array) {
		this.#chunk = chunk;
	}

	skip(start: number, end: number): void {
		if (start > this.#settled) this.#pieces.push(this.#chunk.subarray(this.#settled, start));
		this.#settled = end;
	}

	/** Right where the last skip ended. */
	add(piece: Uint8Array): void {
		this.#pieces.push(piece);
	}

	/** All of it up to an offset of the chunk; copied only where it is in several pieces. */
	upTo(end: number): Uint8Array {
		if (this.#settled === 0 && end === this.#chunk.length) return this.#chunk;
		if (end > this.#settled) this.#pieces.push(this.#chunk.subarray(this.#settled, end));
		if (this.#pieces.length < 2) return this.#pieces[0] ?? NOTHING;
		const whole = new Uint8Array(this.#pieces.reduce((length, piece) => length + piece.length, 0));
		let written = 0;
		for (const piece of this.#pieces) {
			whole.set(piece, written);
			written += piece.length;
		}
		return whole;
	}
}
