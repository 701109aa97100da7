import { updateDigest } from "../src/shared/federated/audit.ts";
import { decideCommit, refusalOf } from "../src/shared/federated/commit.ts";
import type { FinalRefusal } from "../src/shared/federated/messages.ts";
import { updateId, type Run, type Task } from "../src/shared/federated/run.ts";
import { partsOf } from "../src/shared/federated/shard-plan.ts";
import { decideTask, taskAnswer, type AskFacts } from "../src/shared/federated/task.ts";
import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";
import { err, ok, type Result } from "../src/shared/result.ts";
import type { Seconds } from "../src/shared/units.ts";
import { clock, type RunContext } from "./run.context.ts";
import { commitError, noUpdate, unknownClient } from "./run.errors.ts";
import type { RunFlush } from "./run.flush.ts";
import { lotOf } from "./run.lot.ts";
import type { StoredMember } from "./run.members.store.ts";
import type { Commit, OpenUpdate, Shown } from "./run.messages.ts";
import { nonceFault } from "./run.nonces.ts";
import { shownUpdate } from "./run.show.ts";
import type { RunUpkeep } from "./run.upkeep.ts";

/** What clients do in a run: they ask for tasks, and commit what came of them. */
export class RunWork {
	readonly #context: RunContext;
	readonly #flush: RunFlush;
	readonly #upkeep: RunUpkeep;
	/** What seals or opens parts at the moment, by update: of two commits with different parts one must not open what the other has
	 *  sealed. */
	readonly #committing = new Map<string, Promise<unknown>>();

	constructor(context: RunContext, flush: RunFlush, upkeep: RunUpkeep) {
		this.#context = context;
		this.#flush = flush;
		this.#upkeep = upkeep;
	}

	/** A task, or why there is none, after at most `waitSeconds`. */
	async task(client: string, loss: number | null, waitSeconds: Seconds): Promise<Result<Shown, IsobarError>> {
		const until = clock() + waitSeconds;
		for (let told = loss; ; told = null) {
			if (this.#context.store.isDeleting) return err(isobarError("run_not_found", "There is no such run"));
			const member = this.#context.members.member(client);
			if (!member) return err(unknownClient(client));
			const now = clock();
			const answer = await this.ask(member, told, now);
			const mayWait = answer["task"] === null && answer["reason"] !== "expelled" && answer["reason"] !== "run_closed";
			if (!mayWait || now >= until) return ok(answer);
			const again = typeof answer["retry_at"] === "number" ? answer["retry_at"] : Infinity;
			await this.#context.wait("work", Math.max(0.05, Math.min(until, again) - now));
		}
	}

	/** Decides on a client's task, and notes what is new. */
	async ask(member: StoredMember, loss: number | null, now: Seconds): Promise<Shown> {
		const { store } = this.#context;
		const lot = await lotOf(store.run().round, member.client);
		const shown = this.#context.transact(() => this.#answered(member, loss, lot, now));
		// Of a new task, of one that it replaces, and of an alarm that was lost.
		await this.#upkeep.arm();
		return shown;
	}

	#answered(member: StoredMember, loss: number | null, lot: number, now: Seconds): Shown {
		const { store, members, updates, versions, specification } = this.#context;
		members.noteAsked(member, loss, now);
		const run = store.run();
		const decision = decideTask(run, specification, member, this.#askFacts(member, run, lot, now), now);
		if (decision.kind === "issue") {
			const { task } = decision;
			const before = updates.taskOf(member.client);
			if (before && before.id !== task.id) this.#replaced(before, run, now);
			if (before?.id !== task.id) {
				members.countTask(member.client);
				versions.countTask(task.round);
			}
			updates.putTask(task);
		}
		const answer = taskAnswer(decision, run);
		const state = { state: run.state, round: run.round, version: run.version };
		if (answer.kind !== "task") {
			const retry = answer.kind === "wait" ? answer.until : null;
			return { object: "task", task: null, reason: answer.reason, retry_at: retry, run: state };
		}
		const { id, round, base, deadline } = answer;
		const { client_configuration: config, encodings } = specification;
		const digest = versions.version(base)?.digest ?? null;
		const weightMax = Math.min(specification.weights.max, member.weightCap ?? Infinity);
		const task = {
			update: id,
			round,
			base: { version: base, digest },
			deadline,
			config,
			encodings,
			weight_max: weightMax,
		};
		return { object: "task", task, run: state };
	}

	/** The task that parts may be sent for. What could not count any more is answered now as its commit would be. */
	async openUpdate(client: string, update: string): Promise<Result<OpenUpdate, IsobarError>> {
		const { store, members, updates, specification } = this.#context;
		const now = clock();
		const open = this.#context.transact((): Result<OpenUpdate, IsobarError> => {
			const member = members.member(client);
			const decided = updates.update(update);
			const task = updates.task(update);
			if (!member || (decided ?? task)?.client !== client) return err(noUpdate(update));
			if (decided || !task) return err(this.#closed(update));
			const run = store.run();
			const refusal = refusalOf(run, specification, member, task, now);
			if (refusal === null) return ok({ id: task.id, client, round: task.round, base: task.base });
			this.#refused(task, refusal, run, now);
			return err(this.#closed(update));
		});
		if (!open.ok) await this.#upkeep.arm();
		return open;
	}

	#closed(update: string): IsobarError {
		const decided = this.#context.updates.update(update)!;
		const message = `The update ${update} is decided: ${decided.answer.status}`;
		return isobarError("update_closed", message, { details: { update: shownUpdate(this.#context, decided) } });
	}

	/** Lets the parts of an update that is not decided be replaced, though a commit that broke off has sealed them. */
	async reopen(client: string, update: string): Promise<Result<OpenUpdate, IsobarError>> {
		while (this.#committing.has(update)) await this.#committing.get(update);
		return this.#alone(update, this.#reopen(client, update));
	}

	async #reopen(client: string, update: string): Promise<Result<OpenUpdate, IsobarError>> {
		const open = await this.openUpdate(client, update);
		if (open.ok) await this.#context.eachShard(this.#context.shards, (shard) => shard.unseal(update));
		return open;
	}

	/** What an update was answered, or the open task it belongs to. */
	update(update: string): Result<Shown | OpenUpdate, IsobarError> {
		const { updates } = this.#context;
		const decided = updates.update(update);
		if (decided) return ok(shownUpdate(this.#context, decided));
		const task = updates.task(update);
		if (!task) return err(noUpdate(update));
		const { id, client, round, base } = task;
		return ok({ id, client, round, base });
	}

	/** Makes an update count, or says why it does not: now and for ever. */
	async commit(client: string, update: string, commit: Commit): Promise<Result<Shown, IsobarError>> {
		const { members } = this.#context;
		const now = clock();
		const fault = this.#context.transact(() => nonceFault(members, client, commit, now));
		if (fault) return err(fault);
		while (this.#committing.has(update)) await this.#committing.get(update);
		return this.#alone(update, this.#commit(client, update, commit));
	}

	/** Others that would change what is sealed of the update wait until this is done. */
	#alone<T>(update: string, work: Promise<T>): Promise<T> {
		const done = work.finally(() => this.#committing.delete(update));
		this.#committing.set(
			update,
			done.catch(() => {}),
		);
		return done;
	}

	async #commit(client: string, update: string, commit: Commit): Promise<Result<Shown, IsobarError>> {
		const first = this.#decide(client, update, commit, null, clock());
		if (first) {
			await this.#upkeep.arm();
			return first;
		}
		const { specification } = this.#context;
		const { encoding, parts } = commit;
		if (!specification.encodings.includes(encoding)) {
			const message = `The run takes ${specification.encodings.join(", ")}`;
			return err(isobarError("part_invalid", message, { param: "encoding" }));
		}
		const planned = partsOf(this.#context.shards, encoding);
		if (parts.length !== planned.length) {
			const message = `An update in ${encoding} has ${planned.length} parts, and the commit names ${parts.length}`;
			return err(isobarError("part_invalid", message, { param: "parts", details: { parts: planned.length } }));
		}
		const digest = await updateDigest(encoding, parts);
		const replies = await this.#context.eachShard(this.#context.shards, (shard, { shard: number }) => {
			const own = planned.filter((part) => part.shard === number);
			return shard.seal(
				update,
				encoding,
				own.map(({ part }) => [part, parts[part]!] as const),
			);
		});
		const missing = replies.flatMap((reply) => (reply.ok ? [] : reply.missing));
		// Row after row, whatever the shards: the same bits wherever they are summed.
		let squaredNorm = 0;
		for (const reply of replies) if (reply.ok) for (const norm of reply.rowNorms) squaredNorm += norm;
		const decided = this.#decide(client, update, commit, { digest, missing, squaredNorm }, clock())!;
		// What does not count, and may be mended, must be open to be.
		if (!decided.ok) await this.#context.eachShard(this.#context.shards, (shard) => shard.unseal(update));
		await this.#flush.goOn();
		return decided;
	}

	/** Decides in one transaction, which is what makes the update count. Without knowing what is staged it says only what is so
	 *  without that; else null. */
	#decide(
		client: string,
		update: string,
		{ report, encoding, metrics }: Commit,
		staged: { readonly digest: string; readonly missing: readonly number[]; readonly squaredNorm: number } | null,
		now: Seconds,
	): Result<Shown, IsobarError> | null {
		const { store, members, updates, specification } = this.#context;
		return this.#context.transact((): Result<Shown, IsobarError> | null => {
			const member = members.member(client);
			const known = updates.update(update);
			if (!member || (known && known.client !== client)) return err(noUpdate(update));
			const task = updates.taskOf(client);
			const facts = {
				known: known?.answer ?? null,
				task: task?.id === update ? task : null,
				partsMissing: staged?.missing.length ?? 0,
				squaredNorm: staged?.squaredNorm ?? 0,
			};
			const run = store.run();
			const decision = decideCommit(run, specification, member, report, facts, now);
			switch (decision.kind) {
				case "known":
					break;
				case "error":
					return err(commitError(decision.error, staged?.missing ?? []));
				case "refused":
					this.#refused(task!, decision.answer.status === "refused" ? decision.answer.reason : "late", run, now);
					break;
				case "pending":
					if (!staged) return null;
					// Of a flush that failed one may be pending again: a client has one in a round, its newest.
					for (const { id, answer } of updates.pendingOf(client)) {
						if (answer.status === "pending" && answer.round === run.round) {
							this.#flush.refuse({ id, client }, "round_closed", now);
						}
					}
					updates.addPending(
						decision.update,
						task!.round,
						{ examples: report.examples, encoding, digest: staged.digest, metrics },
						now,
					);
					updates.endTask(update);
					members.put(decision.member);
					this.#context.note("update_pending", { update, client, round: run.round }, now);
					this.#flush.settle(now);
			}
			return ok(shownUpdate(this.#context, updates.update(update)!));
		});
	}

	#refused(task: Task, reason: FinalRefusal, run: Run, now: Seconds): void {
		const { store, members, updates, versions } = this.#context;
		updates.addRefused(task, reason, now);
		updates.endTask(task.id);
		store.addRelease(task.id);
		members.countRefused(task.client);
		versions.countRefused(run.round);
		this.#context.note("update_refused", { update: task.id, client: task.client, reason }, now);
	}

	/** A client that takes a new task leaves its old one, which is answered what it would be answered now. */
	#replaced(task: Task, run: Run, now: Seconds): void {
		const { staleness_max: stalenessMax } = this.#context.specification;
		this.#refused(task, stalenessMax === 0 ? "round_closed" : now > task.deadline ? "late" : "too_stale", run, now);
	}

	#askFacts(member: StoredMember, run: Run, lot: number, now: Seconds): AskFacts {
		const { store, members, updates, specification } = this.#context;
		const { selection } = specification;
		const { client } = member;
		const task = updates.taskOf(client);
		return {
			task,
			releasing: task !== null && store.isReleasing(task.id),
			contributed: updates.hasContributed(client, run.round) || updates.update(updateId(run.round, client)) !== null,
			round: {
				handedOut: updates.handedOut(run.round, now),
				nextLapse: updates.nextLapse(run.round, now),
				available: selection.by === "fraction" ? members.available(now) : 0,
				lossRank: selection.by === "loss" ? members.lossRank(client, selection.loss_max, now) : 0,
				staged: updates.stagedCount(),
			},
			lot,
		};
	}
}
