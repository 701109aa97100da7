import { readMark } from "../src/adapters/engine-metrics.ts";
import { unaskedPath } from "../src/shared/catalog/engines.ts";
import { hasRestarted, type EngineMark } from "../src/shared/kv/engine-mark.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";
import type { ReplicaState } from "../src/shared/scheduler/fleet.ts";
import type { ReplicaName } from "../src/shared/scheduler/messages.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { KeptPart, SchedulerStore } from "./scheduler.store.ts";

/** A replica's prefixes are kept anew when so many blocks have changed; all of them, when nothing is in flight. */
const CHANGED_BLOCKS_MIN = 256;
/** Restored in one go: some milliseconds. */
const SLICE_BLOCKS = 16_384;
/** By the constructor, before the first request. */
const SLICES_AT_ONCE = 8;
/** Written in one alarm, about; the rest follows in the next. */
const KEPT_BYTES_AIM = 4 * 1024 * 1024;
/** Engines asked in one alarm which life they are in; the next alarm goes on from there. */
const MARKS_PER_ALARM = 32;
/** The last read of them: at some 400 bytes each they fit into their row. */
const MARKS_KEPT_MAX = 2_000;

/** A replica's engine is in another life, which began then. */
export type OnRestart = (replica: ReplicaName, startedAt: Seconds | null) => void;

/** Keeps a scheduler's prefix index over its eviction, and sees to it that a replica whose engine restarted is forgotten. What
 *  is lost here costs hits and nothing else. */
export class PrefixKeeper {
	readonly #core: SchedulerCore;
	readonly #store: SchedulerStore;
	readonly #env: object;
	readonly #onRestart: OnRestart;
	readonly #marks: Map<ReplicaName, EngineMark>;
	/** Under way. */
	readonly #looks = new Map<ReplicaName, Promise<void>>();
	#next = 0;
	#restoring: Iterator<void, void> | undefined;

	constructor(core: SchedulerCore, store: SchedulerStore, env: object, onRestart: OnRestart) {
		this.#core = core;
		this.#store = store;
		this.#env = env;
		this.#onRestart = onRestart;
		this.#marks = new Map(Object.entries(store.engineMarks()));
	}

	/** Takes back what was kept, once, when the replicas are known: the newest at once, and the rest bit by bit between requests. */
	restore(): void {
		const parts = this.#store.prefixParts();
		this.#core.prefixes.reserve(parts.reduce((sum, { blocks }) => sum + blocks, 0));
		this.#restoring = this.#slices(parts);
		this.#restore(SLICES_AT_ONCE);
	}

	#restore(slices: number): void {
		for (let slice = 0; slice < slices && this.#restoring; slice++)
			if (this.#restoring.next().done) this.#restoring = undefined;
		if (this.#restoring) setTimeout(() => this.#restore(1), 0);
	}

	*#slices(parts: readonly KeptPart[]): Generator<void, void> {
		for (const part of parts) {
			const words = this.#store.prefixWords(part);
			for (let at = 0; at < words.length; at += 2 * SLICE_BLOCKS) {
				this.#core.prefixes.restore(part.replica, part.baseUrl, words.subarray(at, at + 2 * SLICE_BLOCKS));
				yield;
			}
		}
	}

	/** Writes what has changed. True when there is more. */
	keep(): boolean {
		// What is there is not yet all that was kept.
		if (this.#restoring) return true;
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
		if (count === 0) return;
		const names = new Set(this.#core.fleet.names);
		for (const name of this.#marks.keys()) if (!names.has(name)) this.#marks.delete(name);
		this.#store.keepEngineMarks(Object.fromEntries([...this.#marks].slice(-MARKS_KEPT_MAX)));
	}

	/** Tells when the replica's engine is another one now. One look at a time: of two the later might be answered first, and the
	 *  engine would seem to have gone back. */
	look(replica: ReplicaState): Promise<void> {
		const { name } = replica.entry;
		let look = this.#looks.get(name);
		if (!look) this.#looks.set(name, (look = this.#lookNow(replica).finally(() => this.#looks.delete(name))));
		return look;
	}

	async #lookNow({ entry }: ReplicaState): Promise<void> {
		const mark = await readMark(entry, this.#env);
		if (mark === null) return;
		const before = this.#marks.get(entry.name);
		this.#marks.delete(entry.name);
		this.#marks.set(entry.name, mark);
		if (before && hasRestarted(before, mark)) this.#onRestart(entry.name, mark.startedAt);
	}
}
