import { err, ok, type Result } from "../result.ts";
import type { Seconds } from "../units.ts";
import { flushCountMin } from "./check-specification.ts";
import { nextParent, type Making, type Run } from "./run.ts";
import type { Specification } from "./specification.ts";

/** What to do about the updates that are pending. */
export type FlushDecision =
	/** Nothing, and ask again at `until` (null: when an update comes). */
	| { readonly kind: "wait"; readonly until: Seconds | null }
	| { readonly kind: "flush" }
	/** Too few at the deadline: the round goes on until `deadline`. */
	| { readonly kind: "extend"; readonly deadline: Seconds }
	| { readonly kind: "pause"; readonly reason: "too_few_updates" };

/** Starts the clock of the run's round. */
export function roundOpened(run: Run, { flush }: Specification, now: Seconds): Run {
	const length = flush.when === "interval" ? flush.seconds : flush.deadline_seconds;
	return { ...run, openedAt: now, deadline: length === undefined ? null : now + length, extended: false };
}

/** Whether the pending updates of the round make a version now. Asked after every commit, expulsion and version, and at the
 *  run's deadline. */
export function decideFlush(run: Run, specification: Specification, pending: number, now: Seconds): FlushDecision {
	const { flush } = specification;
	if (run.state !== "running" || run.making) return { kind: "wait", until: null };
	if (flush.when === "count" && pending >= flush.count) return { kind: "flush" };
	if (run.deadline === null || now < run.deadline) return { kind: "wait", until: run.deadline };
	if (pending >= flushCountMin(specification)) return { kind: "flush" };
	if (flush.when === "interval") {
		// The grid of intervals stays where it was, also when the alarm came late.
		const missed = Math.floor((now - run.deadline) / flush.seconds) + 1;
		return { kind: "extend", deadline: run.deadline + missed * flush.seconds };
	}
	return run.extended
		? { kind: "pause", reason: "too_few_updates" }
		: { kind: "extend", deadline: now + (flush.deadline_seconds ?? 0) };
}

export function extended(run: Run, deadline: Seconds): Run {
	return { ...run, deadline, extended: true };
}

/** The round ends and its pending updates are frozen; from now on commits count for the next round. */
export function frozen(run: Run, phase: Making["phase"], now: Seconds): Run {
	const making: Making = { version: nextParent(run) + 1, kind: "flush", phase, frozenAt: now };
	return { ...run, round: run.round + 1, openedAt: now, making, deadline: null, extended: false };
}

/** The Gram matrix is there and so are the coefficients. */
export function summing(run: Run): Run {
	return run.making ? { ...run, making: { ...run.making, phase: "sum" } } : run;
}

/** The frozen flush had no finite coefficients: its updates become pending again in the present round, and the run waits for
 *  its owner (expel a client, change nothing and resume, or finish). */
export function flushFailed(run: Run, now: Seconds): Run {
	const paused =
		run.state === "running" ? ({ state: "paused", pauseReason: "flush_failed", pausedAt: now } as const) : {};
	return { ...run, ...paused, making: null, deadline: null };
}

/** Every shard has the version: it is visible, and the next round's clock starts. `step` is the version's. */
export function versionMade(run: Run, specification: Specification, step: number, now: Seconds): Run {
	if (!run.making) return run;
	const made = { ...run, version: run.making.version, step, making: null };
	if (made.state !== "running") return made;
	if (specification.versions_max !== undefined && made.version >= specification.versions_max) {
		return { ...made, state: "finished", deadline: null };
	}
	return roundOpened(made, specification, now);
}

export interface RollbackError {
	readonly code: "version_in_making" | "version_unknown" | "run_closed";
	readonly message: string;
}

/** Makes a new version from a kept one, with its optimiser state and step. The round ends: its pending updates are refused
 *  (`rolled_back`) and open tasks are dropped. */
export function rolledBack(run: Run, kept: boolean, now: Seconds): Result<Run, RollbackError> {
	if (run.state === "cancelled" || run.version === null) {
		return err({ code: "run_closed", message: "there is no version to go on from" });
	}
	if (run.making) return err({ code: "version_in_making", message: `version ${run.making.version} is being made` });
	if (!kept) return err({ code: "version_unknown", message: "that version is not kept" });
	const making: Making = { version: run.version + 1, kind: "rollback", phase: "sum", frozenAt: now };
	return ok({ ...run, round: run.round + 1, openedAt: now, making, deadline: null, extended: false });
}
