/** Bytes that all pulls of an isolate hold, read and not yet sent. */
const HELD_BYTES_MAX = 48 * 2 ** 20;
/** Whose request was cut off never gives back what it holds: it counts for so long after it was last heard of. */
const FORGOTTEN_MS = 10_000;
const RETRY_MS = 10;

/** What pulls hold of the memory that they share. Who waits asks again: one request cannot wake another. */
export class PullBuffers {
	readonly #max: number;
	readonly #held = new Map<object, { readonly bytes: number; heardAt: number }>();

	constructor(max = HELD_BYTES_MAX) {
		this.#max = max;
	}

	/** Whether so many bytes may be held from now on; a single holder may have more than all of it. */
	take(holder: object, bytes: number, nowMs: number): boolean {
		for (const [other, { heardAt }] of this.#held) if (nowMs - heardAt > FORGOTTEN_MS) this.#held.delete(other);
		if (this.#held.size > 0 && this.held + bytes > this.#max) return false;
		this.#held.set(holder, { bytes, heardAt: nowMs });
		return true;
	}

	/** The holder goes on. */
	touch(holder: object, nowMs: number): void {
		const held = this.#held.get(holder);
		if (held) held.heardAt = nowMs;
	}

	give(holder: object): void {
		this.#held.delete(holder);
	}

	get held(): number {
		return [...this.#held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
	}
}

export async function untilTaken(buffers: PullBuffers, holder: object, bytes: number): Promise<void> {
	while (!buffers.take(holder, bytes, Date.now())) await scheduler.wait(RETRY_MS);
}
