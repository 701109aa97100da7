import { clock, RunContext } from "./run.context.ts";
import { RunFlush } from "./run.flush.ts";
import { RunLifecycle } from "./run.lifecycle.ts";
import { RunMembership } from "./run.membership.ts";
import type { RunFacts, Shown } from "./run.messages.ts";
import { briefRun, shownRun } from "./run.show.ts";
import { RunSockets } from "./run.sockets.ts";
import { RunUpkeep } from "./run.upkeep.ts";
import { RunWatching } from "./run.watching.ts";
import { RunWork } from "./run.work.ts";

/** What stands behind the door of a run. */
export class RunRoom {
	readonly flush: RunFlush;
	readonly lifecycle: RunLifecycle;
	readonly membership: RunMembership;
	readonly work: RunWork;
	readonly watching: RunWatching;
	readonly sockets: RunSockets;
	readonly #context: RunContext;
	readonly #upkeep: RunUpkeep;

	constructor(ctx: DurableObjectState, env: Env) {
		const context = (this.#context = new RunContext(ctx.storage, env));
		const upkeep = (this.#upkeep = new RunUpkeep(context));
		const flush = (this.flush = new RunFlush(context, upkeep));
		this.lifecycle = new RunLifecycle(context, flush);
		this.membership = new RunMembership(context, flush);
		const work = (this.work = new RunWork(context, flush, upkeep));
		this.watching = new RunWatching(context, flush);
		this.sockets = new RunSockets(ctx, context, work);
	}

	/** False while it is being created. */
	get isThere(): boolean {
		return this.#context.store.facts() !== null;
	}

	/** Null when it is being deleted. */
	get facts(): RunFacts | null {
		const { store } = this.#context;
		return store.isDeleting ? null : store.facts();
	}

	show(): Shown {
		return shownRun(this.#context);
	}

	brief(): Shown {
		return briefRun(this.#context);
	}

	/** Sets the alarm of a run that was there before, should it have been lost. */
	async wake(): Promise<void> {
		if (this.isThere) await this.#upkeep.arm();
	}

	/** What is due: a round's deadline, a version that shards have not told of, and what was left to do. */
	async alarm(): Promise<void> {
		const { store } = this.#context;
		if (!store.isDeleting) this.#context.transact(() => this.flush.settle(clock()));
		const isDeleted = await this.#upkeep.tidy(clock());
		if (!isDeleted) await this.flush.goOn();
	}
}
