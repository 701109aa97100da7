import { within } from "../src/adapters/catalog-deadline.ts";
import { canReadWarmth, readWarmth } from "../src/adapters/warmth/read-warmth.ts";
import { letGo, setIdleTimeout } from "../src/adapters/warmth/control.ts";
import { keep, wake } from "../src/adapters/warmth/wake.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";
import type { ReplicaState } from "../src/shared/scheduler/fleet.ts";
import type { KeepingCall } from "../src/shared/scheduler/keeping.ts";
import type { WarmthSignal } from "../src/shared/warmth/signal.ts";
import type { Wake } from "../src/shared/scheduler/wakes.ts";

/** Replicas whose state is read in one alarm; the next alarm goes on from there. */
const READ_PER_ALARM = 32;
/** What was heard of an engine that may sleep is good for so long. */
const STALE_SECONDS = 10;
/** Of the time that a request waits for the scheduler. */
const ASK_SECONDS = 0.1;
/** A call that wakes a replica is held for so long at most; what takes longer is seen from its status or an answer. */
const WAKE_SECONDS_MAX = 300;

/** A warm replica answers at once; one that is held for longer has to start. */
const KEEP_SECONDS = 30;

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

	/** Makes a call that keeps a replica warm, lets it go, or sets its idle time-out. Never rejects. */
	async keep(due: KeepingCall): Promise<void> {
		const { kind, replica, seconds } = due;
		const { entry } = replica;
		let signal: WarmthSignal | null = null;
		let failure: string | null = null;
		if (kind === "keep") {
			const kept = await keep(entry, this.#env, KEEP_SECONDS);
			if (kept.ok) signal = kept.value;
			else failure = kept.error.detail;
		} else {
			const done = await (kind === "let_go" ? letGo(entry, this.#env) : setIdleTimeout(entry, seconds!, this.#env));
			if (!done.ok) failure = done.error;
		}
		if (failure !== null) {
			console.warn(JSON.stringify({ event: `${kind}_failed`, replica: entry.name, detail: failure }));
		}
		this.#core.keeping.done(due, signal, failure === null, now());
	}

	/** Says what was done since it was last asked, one line each. */
	log(): void {
		for (const act of this.#core.keeping.log.takeFresh()) console.log(JSON.stringify({ event: "warmth", ...act }));
	}

	async #read({ entry }: ReplicaState): Promise<void> {
		const signal = await readWarmth(entry, this.#env);
		if (signal) this.#core.observe(entry.name, signal, now());
	}
}

function now(): number {
	return Date.now() / 1_000;
}
