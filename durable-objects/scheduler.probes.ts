import { canProbe, probeReplica } from "../src/adapters/probe.ts";
import { awaitsProbe, onProbe, onProbeSent, probeDue } from "../src/shared/admission/health.ts";
import type { ReplicaState } from "../src/shared/scheduler/fleet.ts";
import type { SchedulerCore } from "../src/shared/scheduler/core.ts";

/** Probes of the replicas that took ill. An engine without a health check is tried by a request, whenever one comes. */
export class Probes {
	readonly #core: SchedulerCore;
	readonly #env: Env;
	readonly #onGood: (replica: ReplicaState) => void;

	/** `onGood`: it may be another engine that answers now. */
	constructor(core: SchedulerCore, env: Env, onGood: (replica: ReplicaState) => void) {
		this.#core = core;
		this.#env = env;
		this.#onGood = onGood;
	}

	/** Whether any replica is to be probed, now or later. */
	get areAwaited(): boolean {
		return this.#core.fleet.replicas.some(({ entry, health }) => awaitsProbe(health) && canProbe(entry));
	}

	/** Probes what is due; null where nothing is. */
	run(now: number): Promise<void> | null {
		const due = this.#core.fleet.replicas.filter(({ entry, health }) => probeDue(health, now) && canProbe(entry));
		return due.length > 0 ? this.#all(due, now) : null;
	}

	async #all(due: readonly ReplicaState[], now: number): Promise<void> {
		await Promise.all(due.map((replica) => this.#one(replica, now)));
	}

	async #one(replica: ReplicaState, now: number): Promise<void> {
		replica.health = onProbeSent(replica.health, now);
		const good = await probeReplica(replica.entry, this.#env);
		replica.health = onProbe(replica.health, good, Date.now() / 1_000, { jitter: Math.random() });
		if (good) this.#onGood(replica);
	}
}
