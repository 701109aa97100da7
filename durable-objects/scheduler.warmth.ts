import { within } from "../src/adapters/catalog-deadline.ts";
import { canReadWarmth, readWarmth } from "../src/adapters/warmth/read-warmth.ts";
import { wake } from "../src/adapters/warmth/wake.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";
import type { ReplicaState } from "../src/shared/scheduler/fleet.ts";
import type { Wake } from "../src/shared/scheduler/wakes.ts";

/** Replicas whose state is read in one alarm; the next alarm goes on from there. */
const READ_PER_ALARM = 32;
/** What was heard of an engine that may sleep is good for so long. */
const STALE_SECONDS = 10;
/** Of the time that a request waits for the scheduler. */
const ASK_SECONDS = 0.1;
/** A call that wakes a replica is held for so long at most; what takes longer is seen from its status or an answer. */
const WAKE_SECONDS_MAX = 300;

/** Reads how warm replicas are whose provider or engine tells it without being woken by the question, nor kept from becoming
 *  idle, and wakes those that are due. What nobody tells is seen from answers. */
export class WarmthWatch {
	readonly #core: SchedulerCore;
	readonly #env: object;
	#next = 0;
	#isReading = false;

	constructor(core: SchedulerCore, env: object) {
		this.#core = core;
		this.#env = env;
	}

	/** Asks the engines to which nothing may be sent while they sleep, of which nothing was heard of late: requests that come after
	 *  a pause must not be the first to find out. A look-up that may fail: who does not answer in time is taken as it was. */
	async ask(): Promise<void> {
		const stale = this.#core.warmths.scaling.filter(
			({ entry, warmth }) => warmth?.pool.mustBeWoken && now() - warmth.heardAt > STALE_SECONDS && canReadWarmth(entry),
		);
		if (stale.length === 0) return;
		await within(ASK_SECONDS, Promise.all(stale.slice(0, READ_PER_ALARM).map((replica) => this.#read(replica))));
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
			await Promise.all(asked.map((replica) => this.#read(replica)));
		} finally {
			this.#isReading = false;
		}
	}

	/** Wakes a replica, unless its provider says that it is up or that somebody else has. Never rejects. */
	async wake(due: Wake): Promise<void> {
		const { entry } = due.replica;
		const told = await readWarmth(entry, this.#env);
		const isUp = told?.state === "warm" || told?.state === "waking";
		if (told && isUp && this.#core.warmths.believes(due.replica, told, now()))
			return this.#core.wakes.succeeded(due, told, now());
		const seconds = Math.min(WAKE_SECONDS_MAX, due.start.secondsMax);
		const woken = await wake(entry, this.#env, seconds);
		if (woken.ok) return this.#core.wakes.succeeded(due, woken.value, now());
		const { code, detail } = woken.error;
		console.warn(JSON.stringify({ event: "wake_failed", replica: entry.name, code, detail }));
		this.#core.wakes.failed(due, now());
	}

	async #read({ entry }: ReplicaState): Promise<void> {
		const signal = await readWarmth(entry, this.#env);
		if (signal) this.#core.observe(entry.name, signal, now());
	}
}

function now(): number {
	return Date.now() / 1_000;
}
