import { readMark } from "../src/adapters/engine-metrics.ts";
import { unaskedPath } from "../src/shared/catalog/engines.ts";
import { hasRestarted, type EngineMark } from "../src/shared/kv/engine-mark.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";
import type { ReplicaState } from "../src/shared/scheduler/fleet.ts";
import type { ReplicaName } from "../src/shared/scheduler/messages.ts";
import type { SchedulerStore } from "./scheduler.store.ts";

/** A replica's prefixes are kept anew when so many blocks have changed; all of them, when nothing is in flight. */
const CHANGED_BLOCKS_MIN = 256;
/** Written in one alarm, about; the rest follows in the next. */
const KEPT_BYTES_AIM = 4 * 1024 * 1024;
/** Engines asked in one alarm which life they are in; the next alarm goes on from there. */
const MARKS_PER_ALARM = 32;

/** Keeps a scheduler's prefix index over its eviction, and sees to it that a replica whose engine restarted is forgotten. What
 *  is lost here costs hits and nothing else. */
export class PrefixKeeper {
	readonly #core: SchedulerCore;
	readonly #store: SchedulerStore;
	readonly #env: object;
	readonly #marks: Map<ReplicaName, EngineMark>;
	#next = 0;

	constructor(core: SchedulerCore, store: SchedulerStore, env: object) {
		this.#core = core;
		this.#store = store;
		this.#env = env;
		this.#marks = new Map(Object.entries(store.engineMarks()));
	}

	/** Takes back what was kept. Once, when the replicas are known. */
	restore(): void {
		for (const { replica, baseUrl, part } of this.#store.prefixes())
			this.#core.prefixes.restore(replica, baseUrl, part);
	}

	/** Writes what has changed. True when there is more. */
	keep(): boolean {
		const { prefixes, fleet, inFlight } = this.#core;
		const changed = prefixes.changed(inFlight > 0 ? CHANGED_BLOCKS_MIN : 1);
		let written = 0;
		let count = 0;
		for (const replica of changed) {
			const stored = written < KEPT_BYTES_AIM ? prefixes.snapshot(replica) : undefined;
			if (!stored) break;
			this.#store.keepPrefixes(stored);
			written += stored.parts.reduce((sum, part) => sum + part.byteLength, 0);
			count++;
		}
		if (count > 0) this.#store.keepPrefixesOfOnly(fleet.names);
		return count < changed.length;
	}

	/** Asks the next engines whether they are still the same. */
	async watch(): Promise<void> {
		const watched = this.#core.fleet.replicas.filter(({ entry }) => unaskedPath(entry.pool.pool, "metrics") !== null);
		const count = Math.min(MARKS_PER_ALARM, watched.length);
		const asked = Array.from({ length: count }, (_, i) => watched[(this.#next + i) % watched.length]!);
		this.#next = watched.length === 0 ? 0 : (this.#next + count) % watched.length;
		await Promise.all(asked.map((replica) => this.look(replica)));
		if (count > 0) this.#store.keepEngineMarks(Object.fromEntries(this.#marks));
	}

	/** Forgets what the replica held when its engine is another one now. */
	async look({ entry }: ReplicaState): Promise<void> {
		const mark = await readMark(entry, this.#env);
		if (mark === null) return;
		const before = this.#marks.get(entry.name);
		this.#marks.set(entry.name, mark);
		if (before && hasRestarted(before, mark)) this.#core.prefixes.forget(entry.name);
	}
}
