import { canReadWarmth, readWarmth } from "../src/adapters/warmth/read-warmth.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";

/** Replicas whose state is read in one alarm; the next alarm goes on from there. */
const READ_PER_ALARM = 32;

/** Reads how warm replicas are whose provider or engine tells it without being woken by the question, nor kept from becoming
 *  idle. What nobody tells is seen from answers. */
export class WarmthWatch {
	readonly #core: SchedulerCore;
	readonly #env: object;
	#next = 0;
	#isReading = false;

	constructor(core: SchedulerCore, env: object) {
		this.#core = core;
		this.#env = env;
	}

	/** Asks the next ones, unless some are still being asked. */
	async watch(): Promise<void> {
		const readable = this.#core.fleet.replicas.filter(({ entry }) => canReadWarmth(entry));
		if (readable.length === 0 || this.#isReading) return;
		const count = Math.min(READ_PER_ALARM, readable.length);
		const asked = Array.from({ length: count }, (_, i) => readable[(this.#next + i) % readable.length]!);
		this.#next = (this.#next + count) % readable.length;
		this.#isReading = true;
		try {
			await Promise.all(
				asked.map(async ({ entry }) => {
					const signal = await readWarmth(entry, this.#env);
					if (signal) this.#core.observe(entry.name, signal, Date.now() / 1_000);
				}),
			);
		} finally {
			this.#isReading = false;
		}
	}
}
