import { makeRule } from "../src/shared/federated/rules/registry.ts";
import { versionsToDrop } from "../src/shared/federated/retention.ts";
import type { Run } from "../src/shared/federated/run.ts";
import { isCurrent, isLate } from "../src/shared/federated/task.ts";
import type { Seconds } from "../src/shared/units.ts";
import { clock, type RunContext } from "./run.context.ts";

/** How often shards are asked for a version that they are making. They also tell by themselves. */
const ASK_SECONDS: Seconds = 2;
/** How soon what shards could not be told is tried again. */
const RETRY_SECONDS: Seconds = 5;
/** How often tasks whose time is over, and which go on with their round, are looked at. */
const LAPSED_SECONDS: Seconds = 30;
/** How long after a deadline it is sure to have passed, whatever is rounded on the way. */
const PASSED_SECONDS: Seconds = 0.01;
/** Updates that the shards are told to forget in one call. */
const RELEASES_PER_CALL = 500;

/** What a run does beside its work: it tells shards what they may forget, and sets its alarm. */
export class RunUpkeep {
	readonly #context: RunContext;
	/** Not before this are shards told again that could not be reached. */
	#retryAt: Seconds = 0;

	constructor(context: RunContext) {
		this.#context = context;
	}

	/** Sets the alarm for what is due next, unless it comes soon enough. */
	async arm(): Promise<void> {
		const at = this.#due(clock());
		if (at === Infinity) return;
		const { storage } = this.#context;
		const set = await storage.getAlarm();
		if (set === null || set > at * 1_000) await storage.setAlarm(at * 1_000);
	}

	#due(now: Seconds): Seconds {
		const { store, updates } = this.#context;
		const soon = Math.max(now, this.#retryAt);
		if (store.isDeleting) return soon;
		const { state, making, deadline } = store.run();
		const { next, isOneDue } = updates.deadlines(now);
		const chores = store.collectDue || store.releases(1).length > 0;
		return Math.min(
			making ? now + ASK_SECONDS : Infinity,
			deadline !== null && !making ? deadline : Infinity,
			chores ? soon : Infinity,
			// The clocks of tasks stand still in a pause, and a round that goes on gives its tasks longer than they say.
			state === "paused" ? Infinity : next + PASSED_SECONDS,
			state !== "paused" && isOneDue ? now + LAPSED_SECONDS : Infinity,
		);
	}

	/** What was left to do beside the work: tasks that lapsed, what shards may forget, and the end of the run itself. True when nothing of
	 *  the run is left. */
	async tidy(now: Seconds): Promise<boolean> {
		if (now < this.#retryAt) return false;
		const { store, storage } = this.#context;
		try {
			if (store.isDeleting) {
				await this.#context.eachShard(this.#context.shards, (shard) => shard.destroy());
				await storage.deleteAlarm();
				await storage.deleteAll();
				return true;
			}
			if (store.run().state !== "paused" && this.#context.updates.deadlines(now).isOneDue) {
				this.#context.transact(() => this.releaseStale(store.run()));
				// Others may have the places of those who did not answer.
				this.#context.wakeWork();
			}
			await this.#tellShards();
		} catch (error) {
			this.#retryAt = now + RETRY_SECONDS;
			this.#context.warn("shard_unreachable", error);
		}
		return false;
	}

	/** Tells the shards which updates and versions they may forget. */
	async #tellShards(): Promise<void> {
		const { store, updates, versions, shards } = this.#context;
		for (let ids = store.releases(RELEASES_PER_CALL); ids.length > 0; ids = store.releases(RELEASES_PER_CALL)) {
			const told = ids;
			const call = store.beginReleaseCall();
			await this.#context.eachShard(shards, (shard) => shard.release(told, call));
			store.endReleases(told, call);
			// Their clients may go on with them.
			if (updates.isAnyOpen(told)) this.#context.wakeWork();
		}
		if (!store.collectDue) return;
		const failed = versions.failed();
		for (const { version, round } of failed) {
			await this.#context.eachShard(shards, (shard) => shard.drop(version, round));
		}
		const [kept, newest] = [versions.kept(), store.run().version ?? 0];
		await this.#context.eachShard(shards, (shard) => shard.keepOnly(kept, newest));
		// What fell out meanwhile is told the next time.
		store.collectDue = versions.kept().join() !== kept.join() || versions.failed().length !== failed.length;
	}

	/** Marks what falls out of the versions that are kept, while none is being made. Call in a transaction. */
	collectVersions(): void {
		const { store, updates, versions, specification } = this.#context;
		const { retention, rule } = specification;
		const inUse = new Set(updates.taskBases());
		if (makeRule(rule).needs.bases) for (const base of updates.pendingBases()) inUse.add(base);
		const dropped = versionsToDrop(versions.kept(), retention.versions, inUse);
		for (const version of dropped) {
			versions.markCollected(version);
			if (retention.updates) for (const { id } of updates.acceptedIn(version)) store.addRelease(id);
		}
		if (dropped.length > 0) store.collectDue = true;
	}

	/** Lets the shards forget what came for tasks that can no longer count. Their answer stays what it would be. */
	releaseStale(run: Run): void {
		const { store, updates, specification } = this.#context;
		const now = clock();
		for (const task of updates.openTasks()) {
			if (isCurrent(task, run, specification) && !isLate(task, run, now)) continue;
			updates.markReleased(task.id);
			store.addRelease(task.id);
		}
	}
}
