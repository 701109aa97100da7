import { decideCommit } from "../../../src/shared/federated/commit.ts";
import { coefficientsOf, flushFacts, flushPlan } from "../../../src/shared/federated/freeze.ts";
import type { FlushPlan, TaskAnswer, UpdateAnswer, UpdateReport } from "../../../src/shared/federated/messages.ts";
import { decideFlush, extended, frozen, rolledBack, versionMade } from "../../../src/shared/federated/round.ts";
import { cancelled, finished, newRun, paused, started, weightsReady } from "../../../src/shared/federated/run-state.ts";
import { nextParent, type Member, type PendingUpdate, type Run, type Task } from "../../../src/shared/federated/run.ts";
import { specificationSchema, type Specification } from "../../../src/shared/federated/specification.ts";
import { decideTask, isLate, lossOrder, taskAnswer } from "../../../src/shared/federated/task.ts";

interface StoredUpdate extends PendingUpdate {
	answer: UpdateAnswer;
}

/** A run's storing side in plain maps: it does what the decisions say and no more. */
export class MemoryRun {
	readonly specification: Specification;
	run: Run = newRun();
	now = 1_000;
	readonly members = new Map<string, Member>();
	readonly tasks = new Map<string, Task>();
	readonly updates = new Map<string, StoredUpdate>();
	readonly refusals = new Map<string, UpdateAnswer>();
	readonly plans: FlushPlan[] = [];
	/** Pending updates when each plan was frozen, and whether its deadline had come. */
	readonly flushes: { readonly pending: number; readonly due: boolean }[] = [];

	constructor(specification: object, clients: readonly string[]) {
		this.specification = specificationSchema.parse(specification);
		for (const client of clients) this.join(client);
		this.run = value(started(value(weightsReady(this.run)), this.specification, this.now));
	}

	join(client: string): void {
		const fresh = { weightCap: null, weight: null, loss: null, turnaround: null, turnarounds: 0 };
		this.members.set(client, { client, state: "active", ...fresh });
	}

	ask(client: string, lot = 0): TaskAnswer {
		const member = this.members.get(client)!;
		const facts = {
			task: this.tasks.get(client) ?? null,
			releasing: false,
			contributed: this.pending().some((update) => update.client === client),
			round: {
				handedOut: this.handedOut(),
				nextLapse: this.#nextLapse(),
				available: [...this.members.values()].filter(({ state }) => state === "active").length,
				lossRank: this.#lossRank(member),
				staged:
					this.#inTime().length + [...this.updates.values()].filter(({ answer }) => answer.status === "pending").length,
			},
			lot,
		};
		const decision = decideTask(this.run, this.specification, member, facts, this.now);
		if (decision.kind === "issue") this.tasks.set(client, decision.task);
		return taskAnswer(decision, this.run);
	}

	commit(client: string, id: string, report: Partial<UpdateReport> = {}, partsMissing = 0): UpdateAnswer | string {
		const task = this.tasks.get(client);
		const decision = decideCommit(
			this.run,
			this.specification,
			this.members.get(client)!,
			{ examples: 1, steps: 1, loss: 1, ...report },
			{ known: this.answer(id), task: task?.id === id ? task : null, partsMissing, squaredNorm: 1 },
			this.now,
		);
		if (decision.kind === "error") return decision.error.code;
		if (decision.kind === "pending") {
			this.updates.set(id, { ...decision.update, answer: decision.answer });
			this.members.set(client, decision.member);
			this.tasks.delete(client);
		}
		if (decision.kind === "refused") {
			this.refusals.set(id, decision.answer);
			this.tasks.delete(client);
		}
		this.settle();
		return decision.answer;
	}

	answer(id: string): UpdateAnswer | null {
		return this.updates.get(id)?.answer ?? this.refusals.get(id) ?? null;
	}

	pending(round = this.run.round): readonly StoredUpdate[] {
		return [...this.updates.values()].filter(({ answer }) => answer.status === "pending" && answer.round === round);
	}

	handedOut(): number {
		const answered = [...this.updates].filter(
			([id, { answer }]) => id.startsWith(`up_${this.run.round}_`) && answer.status !== "refused",
		);
		return this.#placed().length + answered.length;
	}

	/** Open tasks of the round in their own time. */
	#placed(): readonly Task[] {
		return [...this.tasks.values()].filter(({ round, deadline }) => round === this.run.round && this.now <= deadline);
	}

	#nextLapse(): number | null {
		const deadlines = this.#placed().map(({ deadline }) => deadline);
		return deadlines.length === 0 ? null : Math.min(...deadlines);
	}

	#inTime(): readonly Task[] {
		return [...this.tasks.values()].filter((task) => !isLate(task, this.run, this.now));
	}

	/** What the alarm and every change ask: whether to flush. */
	settle(): void {
		const { run, specification, now } = this;
		const pending = this.pending();
		const decision = decideFlush(run, specification, pending.length, now);
		if (decision.kind === "extend") this.run = extended(run, decision.deadline);
		if (decision.kind === "pause") this.run = value(paused(run, decision.reason, now));
		if (decision.kind !== "flush") return;
		this.flushes.push({ pending: pending.length, due: run.deadline !== null && now >= run.deadline });
		const parent = nextParent(run);
		const facts = flushFacts(pending, parent).map((update) => ({ ...update, encoding: "f32" as const }));
		const coefficients = value(coefficientsOf(specification, facts, { populationWeight: 100, interval: 60 }, null));
		this.plans.push(flushPlan(specification, facts, coefficients, { version: parent + 1, parent, step: run.step + 1 }));
		this.run = frozen(run, "sum", now);
	}

	/** Every shard has made the version. */
	made(): void {
		const { making, round } = this.run;
		if (!making) return;
		const step = making.kind === "flush" ? this.plans.at(-1)!.step : 0;
		this.run = versionMade(this.run, this.specification, step, this.now);
		if (making.kind === "flush") {
			for (const update of this.pending(round - 1)) {
				const { weight } = update;
				update.answer = { status: "accepted", round: round - 1, version: making.version, weight };
			}
		}
		if (this.run.state === "finished") this.#refuse("run_closed");
		this.settle();
	}

	expel(client: string): void {
		this.members.set(client, { ...this.members.get(client)!, state: "expelled" });
		for (const update of this.pending()) {
			if (update.client === client) update.answer = { status: "refused", reason: "expelled" };
		}
		this.settle();
	}

	rollBack(): boolean {
		const next = rolledBack(this.run, true, this.now);
		if (!next.ok) return false;
		this.#refuse("rolled_back");
		this.tasks.clear();
		this.run = next.value;
		return true;
	}

	pause(): void {
		const next = paused(this.run, "asked", this.now);
		if (next.ok) this.run = next.value;
	}

	resume(): void {
		const next = started(this.run, this.specification, this.now);
		const stood = this.now - (this.run.pausedAt ?? this.now);
		for (const [client, task] of this.tasks) this.tasks.set(client, { ...task, deadline: task.deadline + stood });
		if (next.ok) this.run = next.value;
		this.settle();
	}

	end(how: "finish" | "cancel"): void {
		const next = how === "finish" ? finished(this.run) : cancelled(this.run);
		if (!next.ok) return;
		this.run = next.value;
		this.#refuse("run_closed");
	}

	/** All that is pending, but for what a version is being made of. */
	#refuse(reason: "run_closed" | "rolled_back"): void {
		const summed = new Set(this.run.making ? this.plans.at(-1)?.updates.map(({ id }) => id) : []);
		for (const update of this.updates.values()) {
			if (update.answer.status === "pending" && !summed.has(update.id)) update.answer = { status: "refused", reason };
		}
	}

	#lossRank(member: Member): number {
		const { selection } = this.specification;
		if (selection.by !== "loss") return 0;
		const order = (each: Member) => lossOrder(each.loss, selection.loss_max);
		return [...this.members.values()].filter((other) => order(other) > order(member)).length;
	}
}

function value<T>(
	result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
	if (!result.ok) throw new Error(JSON.stringify(result.error));
	return result.value;
}
