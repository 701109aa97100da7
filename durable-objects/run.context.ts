import type { Manifest } from "../src/shared/federated/manifest.ts";
import type { Run } from "../src/shared/federated/run.ts";
import type { ShardRange } from "../src/shared/federated/shard-plan.ts";
import type { Specification } from "../src/shared/federated/specification.ts";
import type { Seconds } from "../src/shared/units.ts";
import { shardOf } from "./federated-objects.ts";
import { RunGramsStore } from "./run.grams.store.ts";
import { RunMembersStore } from "./run.members.store.ts";
import type { RunFacts } from "./run.messages.ts";
import { RunStore } from "./run.store.ts";
import { RunUpdatesStore } from "./run.updates.store.ts";
import { RunVersionsStore } from "./run.versions.store.ts";
import type { ShardPort } from "./shard.messages.ts";

/** Calls to shards at once. */
const SHARD_CALLS = 16;

/** Who waits for what: `work` is told when tasks may have changed, `events` when something was noted. */
type Channel = "work" | "events";

/** What the parts of a run share: its rows, its shards, and who waits for a change. */
export class RunContext {
	readonly env: Env;
	readonly storage: DurableObjectStorage;
	readonly store: RunStore;
	readonly members: RunMembersStore;
	readonly updates: RunUpdatesStore;
	readonly versions: RunVersionsStore;
	readonly grams: RunGramsStore;
	readonly #waiting: Readonly<Record<Channel, Set<() => void>>> = { work: new Set(), events: new Set() };
	/** Whether the transaction under way has noted an event. */
	#isNoted = false;
	/** Called when tasks may have changed. */
	onWork: () => void = () => {};

	constructor(storage: DurableObjectStorage, env: Env) {
		this.env = env;
		this.storage = storage;
		this.store = new RunStore(storage);
		this.members = new RunMembersStore(storage);
		this.updates = new RunUpdatesStore(storage);
		this.versions = new RunVersionsStore(storage);
		this.grams = new RunGramsStore(storage);
	}

	/** Of a run that is there. */
	get facts(): RunFacts {
		const facts = this.store.facts();
		if (!facts) throw new Error("there is no such run");
		return facts;
	}

	get specification(): Specification {
		return this.facts.specification;
	}

	get manifest(): Manifest {
		return this.facts.manifest;
	}

	get shards(): readonly ShardRange[] {
		return this.store.shards(this.facts);
	}

	/** All or nothing of it; who waits is told afterwards of what is new. */
	transact<T>(write: () => T): T {
		const before = this.store.run();
		this.#isNoted = false;
		const result = this.storage.transactionSync(write);
		if (this.#isNoted) this.#tell("events");
		if (isWorkNew(before, this.store.run())) this.#tell("work");
		return result;
	}

	note(kind: string, data: object, now: Seconds): void {
		this.store.addEvent(kind, data, now);
		this.#isNoted = true;
	}

	/** Until something changes on the channel, or so many seconds have passed. */
	wait(channel: Channel, seconds: Seconds): Promise<void> {
		return new Promise((resolve) => {
			const waiting = this.#waiting[channel];
			const end = (): void => {
				clearTimeout(timer);
				waiting.delete(end);
				resolve();
			};
			const timer = setTimeout(end, seconds * 1_000);
			waiting.add(end);
		});
	}

	/** Calls all of these shards, some at a time. Rejects when one cannot be reached; others may have been. */
	async eachShard<T>(
		shards: readonly ShardRange[],
		call: (shard: ShardPort, range: ShardRange) => Promise<T>,
	): Promise<T[]> {
		const { id } = this.facts;
		const results: T[] = [];
		const queue = shards.entries();
		const work = async (): Promise<void> => {
			for (const [index, range] of queue) results[index] = await call(shardOf(this.env, id, range.shard), range);
		};
		await Promise.all(Array.from({ length: Math.min(SHARD_CALLS, shards.length) }, work));
		return results;
	}

	warn(event: string, error: unknown): void {
		console.warn(JSON.stringify({ event, run: this.store.facts()?.id ?? null, error: String(error) }));
	}

	/** Tells all who wait for work that there may be some, though the run is in the state that it was. */
	wakeWork(): void {
		this.#tell("work");
	}

	/** Tells all who wait for anything: the run is at its end. */
	wakeAll(): void {
		this.#tell("events");
		this.#tell("work");
	}

	#tell(channel: Channel): void {
		for (const end of this.#waiting[channel]) end();
		if (channel === "work") this.onWork();
	}
}

function isWorkNew(before: Run, after: Run): boolean {
	return before.state !== after.state || before.round !== after.round || before.version !== after.version;
}

export function clock(): Seconds {
	return Date.now() / 1_000;
}
