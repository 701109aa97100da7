import type { Seconds } from "../src/shared/units.ts";

/** How long a call waits for others: about what its commit would cost by itself. */
const PAUSE_SECONDS: Seconds = 0.004;
/** Parts of fewer bytes do not wait: their client would wait longer than the disk. */
const WAITING_BYTES = 2 ** 18;
/** So many bytes go at once, with all that wait: a part. The log is written into the file after a commit of 4 MiB, which costs three fsyncs
 *  more, so that larger commits are fewer of those, too. */
const TOGETHER_BYTES = 8 * 2 ** 20;

/** What several uploads bring at about the same time is written in one turn of the event loop, so that the runtime commits it together: a
 *  commit costs an fsync, and one for every call would be half of the time of staging. */
export class ShardTogether {
	#waiting: PromiseWithResolvers<void> | null = null;
	#bytes = 0;

	/** Resolves when a call for a part of `partBytes` may write the `bytes` that it brings. */
	turn(partBytes: number, bytes = 0): Promise<void> {
		if (!this.#waiting) {
			if (partBytes < WAITING_BYTES) return Promise.resolve();
			const waiting = Promise.withResolvers<void>();
			this.#waiting = waiting;
			setTimeout(() => this.#waiting === waiting && this.#go(), PAUSE_SECONDS * 1_000);
		}
		const { promise } = this.#waiting;
		this.#bytes += bytes;
		if (this.#bytes >= TOGETHER_BYTES) this.#go();
		return promise;
	}

	#go(): void {
		this.#waiting?.resolve();
		this.#waiting = null;
		this.#bytes = 0;
	}
}
