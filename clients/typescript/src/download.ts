import { RequestError } from "./errors.ts";
import type { Store } from "./store.ts";
import type { Transport } from "./transport.ts";

/** What is kept at a time: so much may have to be pulled again after a crash. */
const CHUNK_BYTES = 2 ** 22;
/** A download that has not moved for so long is begun anew from where it stands. */
const STALLED_SECONDS = 60;
const WHOLE_SECONDS = 3_600;

export interface Progress {
	readonly bytes: number;
	readonly total: number;
}

/** Pulls what never changes, such as a version by its digest, into chunks in the store named `name.0`, `name.1`, …; goes on where it,
 *  or a process before it, was stopped. Returns all bytes. */
export async function download(
	transport: Transport,
	store: Store,
	name: string,
	path: string,
	onProgress: (progress: Progress) => void,
	onResumed: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
	const download = new Download(store, name);
	await download.load();
	if (download.bytes > 0 && !download.isComplete) onResumed(download.bytes);
	while (!download.isComplete) {
		const before = download.bytes;
		await transport
			.request(
				{
					method: "GET",
					path,
					timeout: WHOLE_SECONDS,
					headers: (): Record<string, string> => (download.bytes > 0 ? { range: `bytes=${download.bytes}-` } : {}),
				},
				(response) => download.take(response, onProgress),
			)
			.catch((error: unknown) => {
				// All bytes are there, and what said how many was lost.
				const size = error instanceof RequestError && error.code === "range_not_satisfiable" && error.details["size"];
				if (size !== download.bytes) throw error;
				download.complete(size);
			});
		if (!download.isComplete && before > 0) onResumed(download.bytes);
	}
	await download.flush();
	return download.whole();
}

class Download {
	readonly #store: Store;
	readonly #name: string;
	readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
	/** Begun and not stored. */
	#open = new Uint8Array(CHUNK_BYTES);
	#openBytes = 0;
	#total = NaN;

	constructor(store: Store, name: string) {
		this.#store = store;
		this.#name = name;
	}

	get bytes(): number {
		return this.#chunks.length * CHUNK_BYTES + this.#openBytes;
	}

	get isComplete(): boolean {
		return this.bytes === this.#total;
	}

	complete(size: number): void {
		this.#total = size;
	}

	/** What an earlier process has stored: whole chunks, and at most one shorter one, the last of a complete download. */
	async load(): Promise<void> {
		for (;;) {
			const chunk = await this.#store.read(`${this.#name}.${this.#chunks.length}`);
			if (!chunk) return;
			if (chunk.length === CHUNK_BYTES) {
				this.#chunks.push(chunk);
				continue;
			}
			this.#open.set(chunk);
			this.#openBytes = chunk.length;
			this.#total = this.bytes;
			return;
		}
	}

	/** Takes in an answer until it ends or breaks: what came is kept either way. */
	async take(response: Response, onProgress: (progress: Progress) => void): Promise<void> {
		if (response.status !== 206) {
			this.#chunks.length = 0;
			this.#openBytes = 0;
		}
		const length = Number(response.headers.get("content-length") ?? NaN);
		const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
		this.#total = range ? Number(range[1]) : length;
		if (!response.body) throw new TypeError("the answer has no body");
		const reader = response.body.getReader();
		const start = this.bytes;
		try {
			for (;;) {
				const { done, value } = await unstalled(reader.read());
				if (done) break;
				await this.#append(value);
				onProgress({ bytes: this.bytes, total: this.#total });
			}
		} catch (error) {
			void reader.cancel().catch(() => {});
			// Without any progress it is a failure, which is waited after.
			if (this.bytes === start) throw error;
			return;
		}
		if (Number.isNaN(this.#total)) this.#total = this.bytes;
		if (this.bytes === start && !this.isComplete) throw new TypeError("the answer was empty");
	}

	async flush(): Promise<void> {
		if (this.#openBytes === 0) return;
		await this.#store.write(`${this.#name}.${this.#chunks.length}`, this.#open.slice(0, this.#openBytes));
	}

	whole(): Uint8Array<ArrayBuffer> {
		const bytes = new Uint8Array(this.bytes);
		for (const [index, chunk] of this.#chunks.entries()) bytes.set(chunk, index * CHUNK_BYTES);
		bytes.set(this.#open.subarray(0, this.#openBytes), this.#chunks.length * CHUNK_BYTES);
		return bytes;
	}

	async #append(bytes: Uint8Array): Promise<void> {
		for (let at = 0; at < bytes.length;) {
			const piece = bytes.subarray(at, at + CHUNK_BYTES - this.#openBytes);
			this.#open.set(piece, this.#openBytes);
			this.#openBytes += piece.length;
			at += piece.length;
			if (this.#openBytes < CHUNK_BYTES) continue;
			await this.#store.write(`${this.#name}.${this.#chunks.length}`, this.#open);
			this.#chunks.push(this.#open);
			this.#open = new Uint8Array(CHUNK_BYTES);
			this.#openBytes = 0;
		}
	}
}

async function unstalled<T>(promise: Promise<T>): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const stalled = new Promise<never>((_, reject) => {
		const stop = () => reject(new Error(`nothing came for ${STALLED_SECONDS} s`));
		timer = setTimeout(stop, STALLED_SECONDS * 1_000);
	});
	return Promise.race([promise, stalled]).finally(() => clearTimeout(timer));
}
