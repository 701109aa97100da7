import type { Seconds } from "../units.ts";
import { stagedMax } from "./check-specification.ts";
import type { TaskAnswer, WaitReason } from "./messages.ts";
import { isClosed } from "./run-state.ts";
import { nextParent, updateId, type Member, type Run, type Task } from "./run.ts";
import type { Selection, Specification } from "./specification.ts";

const TASK_SECONDS = 3_600;
/** In each such time as many clients more are drawn as at the start of the round, while too few of those drawn have asked. */
const REDRAW_SECONDS = 30;
/** How soon a client asks again while its task is being released. */
const RELEASE_SECONDS = 1;
/** How long after a deadline it is sure to have passed, whatever is rounded on the way. */
const PASSED_SECONDS = 0.01;

/** What has to be known of a run to decide who gets a task; all are counts of rows. */
export interface RoundFacts {
	/** Tasks of the present round that hold a place in it: answered, and not refused; or with a deadline of their own that has not passed.
	 *  That a round goes on gives its tasks longer, but not their places: who was slow must not keep others out twice. */
	readonly handedOut: number;
	/** When the first of those that are not answered loses its place; null where there is none. */
	readonly nextLapse: Seconds | null;
	/** Active members who asked for work lately, this one included. */
	readonly available: number;
	/** Of those, how many come before this one by `lossOrder`. Read only where selection is by loss. */
	readonly lossRank: number;
	/** Updates that hold bytes in the shards, or may begin to: tasks that are not released, pending and being summed. */
	readonly staged: number;
}

export interface AskFacts {
	/** The client's open task, whatever its round; null if it has none. */
	readonly task: Task | null;
	/** Some shard may not have forgotten yet what came for that task before it was released. */
	readonly releasing: boolean;
	/** The client has an update that is pending in the present round. */
	readonly contributed: boolean;
	readonly round: RoundFacts;
	/** In [0, 1), drawn anew for each round and client: always the same for the same two. */
	readonly lot: number;
}

export type TaskDecision =
	/** Answer with the task as it is. */
	| { readonly kind: "known"; readonly task: Task }
	/** Store it in place of the client's open one, if any. */
	| { readonly kind: "issue"; readonly task: Task }
	| { readonly kind: "wait"; readonly reason: WaitReason; readonly until: Seconds | null }
	| { readonly kind: "none"; readonly reason: "expelled" | "run_closed" };

/** What a client that asks for work gets. Asking again is free: an open task is given again, with the same base. */
export function decideTask(
	run: Run,
	specification: Specification,
	member: Member,
	facts: AskFacts,
	now: Seconds,
): TaskDecision {
	const wait = (reason: WaitReason, until: Seconds | null = null): TaskDecision => ({ kind: "wait", reason, until });
	if (member.state === "expelled") return { kind: "none", reason: "expelled" };
	if (isClosed(run)) return { kind: "none", reason: "run_closed" };
	if (run.version === null || run.state === "open") return wait("not_started");
	if (run.state === "paused") return wait("paused");
	const { task } = facts;
	if (task && !isLate(task, run, now) && isCurrent(task, run, specification)) return { kind: "known", task };
	if (facts.contributed) return wait("contributed", run.deadline);
	if (nextParent(run) - run.version > specification.staleness_max) return wait("version_in_making");
	// A client whose task of this round lapsed may go on with it: same id, same base.
	const lapsed = task?.round === run.round ? task : null;
	if (!lapsed && !isSelected(specification.selection, facts, now - run.openedAt)) {
		return wait("not_selected", askAgain(specification.selection, run, facts.round.nextLapse, now));
	}
	// What comes for it from now on must not be forgotten with what came before.
	if (lapsed && facts.releasing) return wait("staging_full", now + RELEASE_SECONDS);
	// Who was not released yet holds a place already.
	if ((!lapsed || lapsed.released) && facts.round.staged >= stagedMax(specification))
		return wait("staging_full", run.deadline);
	return {
		kind: "issue",
		task: {
			id: updateId(run.round, member.client),
			client: member.client,
			round: run.round,
			base: lapsed?.base ?? run.version,
			issuedAt: lapsed?.issuedAt ?? now,
			deadline: now + taskSeconds(specification),
			released: false,
		},
	};
}

export function taskAnswer(decision: TaskDecision, run: Run): TaskAnswer {
	if (decision.kind === "wait" || decision.kind === "none") return decision;
	const { id, round, base } = decision.task;
	return { kind: "task", id, round, base, deadline: deadlineOf(decision.task, run) };
}

/** A round that goes on gives its tasks as long. */
export function deadlineOf(task: Task, run: Run): Seconds {
	const goesOn = task.round === run.round && !task.released;
	return goesOn && run.deadline !== null ? Math.max(task.deadline, run.deadline) : task.deadline;
}

/** Whether a task's time is over. It stands still while the run is paused. */
export function isLate(task: Task, run: Run, now: Seconds): boolean {
	return task.released || (run.state !== "paused" && now > deadlineOf(task, run));
}

/** Whether an update from this task could still count, its deadline aside. */
export function isCurrent(task: Task, run: Run, { staleness_max }: Specification): boolean {
	return nextParent(run) - task.base <= staleness_max;
}

/** Descending; who never reported a loss comes first. */
export function lossOrder(loss: number | null, lossMax: number): number {
	return loss === null ? lossMax : Math.min(lossMax, Math.max(0, loss));
}

function taskSeconds({ task_seconds, flush }: Specification): Seconds {
	return task_seconds ?? (flush.when === "count" ? (flush.deadline_seconds ?? TASK_SECONDS) : TASK_SECONDS);
}

function isSelected(selection: Selection, { lot, round }: AskFacts, age: Seconds): boolean {
	switch (selection.by) {
		case "all":
			return true;
		case "count":
			return round.handedOut < selection.count;
		case "fraction": {
			const wanted = Math.max(selection.at_least, selection.fraction * round.available);
			const draws = round.handedOut < wanted ? 1 + Math.floor(age / REDRAW_SECONDS) : 1;
			return lot < (draws * wanted) / Math.max(1, round.available);
		}
		case "loss":
			return round.lossRank < selection.count && round.handedOut < selection.count;
	}
}

function askAgain(selection: Selection, run: Run, nextLapse: Seconds | null, now: Seconds): Seconds | null {
	const draw = run.openedAt + (Math.floor((now - run.openedAt) / REDRAW_SECONDS) + 1) * REDRAW_SECONDS;
	const again = Math.min(
		selection.by === "fraction" ? draw : Infinity,
		run.deadline ?? Infinity,
		nextLapse === null ? Infinity : nextLapse + PASSED_SECONDS,
	);
	return again === Infinity ? null : again;
}
