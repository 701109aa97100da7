/** Reads a body in pieces of the sizes that are asked for, with no more of it in memory than one piece. */
export class ExactReader {
	readonly #reader: ReadableStreamBYOBReader | null;
	#isEnded: boolean;
	#spare: ArrayBuffer | null = null;

	constructor(body: ReadableStream<Uint8Array> | null) {
		this.#reader = body?.getReader({ mode: "byob" }) ?? null;
		this.#isEnded = body === null;
	}

	/** The next `bytes`; fewer when the body ends or breaks off before. */
	async read(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
		if (!this.#reader || this.#isEnded) return new Uint8Array(0);
		try {
			const piece = this.#spare?.byteLength === bytes ? new Uint8Array(this.#spare) : new Uint8Array(bytes);
			this.#spare = null;
			const { value, done } = await this.#reader.readAtLeast(bytes, piece);
			if (done || (value?.byteLength ?? 0) < bytes) this.#isEnded = true;
			return value ?? new Uint8Array(0);
		} catch {
			this.#isEnded = true;
			return new Uint8Array(0);
		}
	}

	/** Gives a piece back, whose memory the next one of its size takes. */
	reuse(piece: Uint8Array<ArrayBuffer>): void {
		this.#spare = piece.buffer;
	}

	/** Whether the body ends here; reads a byte to know it. */
	async isAtEnd(): Promise<boolean> {
		return (await this.read(1)).byteLength === 0;
	}

	/** Reads on without keeping anything: most clients read no answer before they have sent everything. */
	async discard(bytesMax: number): Promise<void> {
		const piece = 65_536;
		for (let left = bytesMax; left > 0; left -= piece) {
			const bytes = await this.read(piece);
			if (bytes.byteLength < piece) return;
			this.reuse(bytes);
		}
		await this.#reader?.cancel().catch(() => {});
	}
}
