import type { Seconds } from "../units.ts";
import type { CommitError, FinalRefusal, UpdateAnswer, UpdateReport } from "./messages.ts";
import { makeOptimiser } from "./optimisers/registry.ts";
import { makeRule } from "./rules/registry.ts";
import { isClosed } from "./run-state.ts";
import type { Member, PendingUpdate, Run, Task } from "./run.ts";
import { EXAMPLES_CLAIM_MAX } from "./sizes.ts";
import type { Specification } from "./specification.ts";
import { isCurrent, isLate } from "./task.ts";

/** Turnarounds of a client that its running mean remembers. */
const TURNAROUNDS_MAX = 10;

export interface CommitFacts {
	/** What this update was answered before. */
	readonly known: UpdateAnswer | null;
	/** The task with the update's id. */
	readonly task: Task | null;
	/** Parts that the shards do not have yet. */
	readonly partsMissing: number;
	/** Of the whole update; read only where no part is missing. */
	readonly squaredNorm: number;
}

export type CommitDecision =
	/** It was answered before: the same again. */
	| { readonly kind: "known"; readonly answer: UpdateAnswer }
	/** Store the update as pending and what is new of its member; close the task. */
	| {
			readonly kind: "pending";
			readonly answer: UpdateAnswer;
			readonly update: PendingUpdate;
			readonly member: Member;
	  }
	/** Store the answer; close the task; its bytes may go. */
	| { readonly kind: "refused"; readonly answer: UpdateAnswer }
	/** Store nothing. */
	| { readonly kind: "error"; readonly error: CommitError };

/** Whether an update counts. The first answer that is stored is the one for ever, but that pending becomes accepted, or
 *  refused with its client's expulsion, a rollback or the end of the run. */
export function decideCommit(
	run: Run,
	specification: Specification,
	member: Member,
	report: UpdateReport,
	facts: CommitFacts,
	now: Seconds,
): CommitDecision {
	if (facts.known) return { kind: "known", answer: facts.known };
	const { task } = facts;
	if (!task) return failed({ code: "task_unknown", message: "this client was given no task with that id" });
	const refusal = refusalOf(run, specification, member, task, now);
	if (refusal) return { kind: "refused", answer: { status: "refused", reason: refusal } };
	if (facts.partsMissing > 0) {
		return failed({
			code: "parts_missing",
			message: `${facts.partsMissing} parts are missing`,
			missing: facts.partsMissing,
		});
	}
	const fault = reportFault(specification, report) ?? normFault(specification, facts.squaredNorm);
	if (fault) return failed(fault);

	const weight = weightOf(specification, member, report);
	const turnaround = now - task.issuedAt;
	const n = Math.min(TURNAROUNDS_MAX, member.turnarounds + 1);
	const mean = (member.turnaround ?? 0) + (turnaround - (member.turnaround ?? 0)) / n;
	const { id, client, base } = task;
	const { steps, loss } = report;
	return {
		kind: "pending",
		answer: { status: "pending", round: run.round, weight },
		update: {
			id,
			client,
			round: run.round,
			base,
			weight,
			steps,
			loss,
			squaredNorm: facts.squaredNorm,
			turnaround: mean,
		},
		member: { ...member, weight, loss: loss ?? member.loss, turnaround: mean, turnarounds: n },
	};
}

/** Examples as far as they count: capped by the run and by the client's invitation. */
export function weightOf({ weights }: Specification, { weightCap }: Member, { examples }: UpdateReport): number {
	return weights.by === "uniform" ? 1 : Math.min(examples, weights.max, weightCap ?? Infinity);
}

/** Why an update from this task could not count any more; null when it could. */
export function refusalOf(
	run: Run,
	specification: Specification,
	member: Member,
	task: Task,
	now: Seconds,
): FinalRefusal | null {
	if (member.state === "expelled") return "expelled";
	if (isClosed(run)) return "run_closed";
	if (!isCurrent(task, run, specification)) return specification.staleness_max === 0 ? "round_closed" : "too_stale";
	if (isLate(task, run, now)) return "late";
	return null;
}

function reportFault({ rule }: Specification, { examples, steps, loss }: UpdateReport): CommitError | null {
	const { needs } = makeRule(rule);
	const bad = (field: "examples" | "steps" | "loss", message: string, limit?: number): CommitError => ({
		code: "report_invalid",
		field,
		message,
		...(limit !== undefined && { limit }),
	});
	if (!(Number.isInteger(examples) && examples >= 1 && examples <= EXAMPLES_CLAIM_MAX)) {
		return bad("examples", `has to be a whole number from 1 to ${EXAMPLES_CLAIM_MAX}`, EXAMPLES_CLAIM_MAX);
	}
	if (needs.steps && steps === null) return bad("steps", `${rule.name} needs the number of local steps`);
	if (steps !== null && !(Number.isSafeInteger(steps) && steps > 0))
		return bad("steps", "has to be a whole number over 0");
	if (needs.losses && loss === null) return bad("loss", `${rule.name} needs the loss of the base version`);
	if (loss !== null && !Number.isFinite(loss)) return bad("loss", "has to be finite");
	return null;
}

/** The largest norm that an update may have; undefined where neither the specification nor its optimiser says. */
export function normMax({ limits, server_optimiser }: Specification): number | undefined {
	return limits.update_norm_max ?? makeOptimiser(server_optimiser).normMax;
}

function normFault(specification: Specification, squaredNorm: number): CommitError | null {
	const limit = normMax(specification);
	const norm = Math.sqrt(squaredNorm);
	if (limit === undefined || norm <= limit) return null;
	return {
		code: "norm_too_large",
		message: `the update's norm is ${norm}, and at most ${limit} is taken`,
		norm,
		limit,
	};
}

function failed(error: CommitError): CommitDecision {
	return { kind: "error", error };
}
