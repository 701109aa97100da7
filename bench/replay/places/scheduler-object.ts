import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { LearnedState } from "../../../src/shared/scheduler/learned.ts";
import type { AssignReply, AssignRequest, Bill, SchedulerMail } from "../../../src/shared/scheduler/messages.ts";
import { settingsFrom } from "../../../src/shared/settings.ts";

export const SETTINGS = settingsFrom(undefined);

/** The production core where the Durable Object would have it, with the simulation's clock and random numbers. */
export class SchedulerObject {
	readonly #model: CatalogModel;
	readonly #rng: () => number;
	#core: SchedulerCore;

	constructor(model: CatalogModel, rng: () => number) {
		this.#model = model;
		this.#rng = rng;
		this.#core = this.#start(undefined, 0);
	}

	assign(request: AssignRequest, now: number): AssignReply {
		return this.#core.assign(request, now);
	}

	mail(mail: SchedulerMail, now: number): Bill[] {
		return this.#core.mail(mail, now);
	}

	get isBusy(): boolean {
		return this.#core.inFlight > 0;
	}

	/** Tells another shard what it has in flight, as the objects do once a second. */
	tell(other: SchedulerObject, from: string, now: number): void {
		other.#core.hear(this.#core.summary(from, "sibling", now), "sibling", now);
	}

	/** It was lost and comes back: what it had learned and its index were stored, what was in flight was not. */
	restart(now: number): void {
		const lost = this.#core;
		this.#core = this.#start(lost.learned(), now);
		for (const { name } of this.#model.replicas) {
			const stored = lost.prefixes.snapshot(name);
			for (const part of stored?.parts ?? []) this.#core.prefixes.restore(name, stored!.baseUrl, part);
		}
	}

	#start(learned: LearnedState | undefined, now: number): SchedulerCore {
		const core = new SchedulerCore({
			settings: SETTINGS,
			rng: this.#rng,
			...(learned && { learned }),
			// The concurrency limits in the replay's catalog are out of reach, so that nobody ever waits.
			onTurn: () => {
				throw new Error("A request waited in the scheduler.");
			},
		});
		core.configure(this.#model, now);
		return core;
	}
}
