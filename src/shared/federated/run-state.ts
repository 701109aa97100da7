import { err, ok, type Result } from "../result.ts";
import type { Seconds } from "../units.ts";
import { roundOpened } from "./round.ts";
import type { PauseReason, Run, RunState } from "./run.ts";
import type { Specification } from "./specification.ts";

export interface StateError {
	readonly code: "state_conflict";
	readonly state: RunState;
	readonly message: string;
}

export function newRun(): Run {
	return {
		state: "open",
		pauseReason: null,
		pausedAt: null,
		version: null,
		step: 0,
		round: 1,
		openedAt: 0,
		deadline: null,
		extended: false,
		making: null,
	};
}

/** The initial weights are complete in every shard. */
export function weightsReady(run: Run): Result<Run, StateError> {
	if (run.version === 0) return ok(run);
	return run.state === "open" ? ok({ ...run, version: 0 }) : conflict(run, "only an open run takes initial weights");
}

/** From open or paused to running; clients get tasks. Repeating it changes nothing. */
export function started(run: Run, specification: Specification, now: Seconds): Result<Run, StateError> {
	if (run.state === "running") return ok(run);
	if (isClosed(run)) return conflict(run, `a ${run.state} run does not run again`);
	if (run.version === null) return conflict(run, "the initial weights are not there yet");
	return ok(roundOpened({ ...run, state: "running", pauseReason: null, pausedAt: null }, specification, now));
}

/** Clients get no tasks and nothing is flushed; what they commit stays pending, and a version in making is finished. The clocks of
 *  tasks stand still. */
export function paused(run: Run, reason: PauseReason, now: Seconds): Result<Run, StateError> {
	if (run.state === "paused") return ok(run);
	if (run.state !== "running") return conflict(run, `a ${run.state} run cannot be paused`);
	return ok({ ...run, state: "paused", pauseReason: reason, pausedAt: now, deadline: null });
}

/** No further version, but for one that is being made. The storing side refuses all pending updates (`run_closed`). */
export function finished(run: Run): Result<Run, StateError> {
	if (run.state === "finished") return ok(run);
	if (run.state === "cancelled") return conflict(run, "a cancelled run cannot be finished");
	return ok({ ...run, state: "finished", pauseReason: null, pausedAt: null, deadline: null });
}

/** The end without a result; a version in making is given up. The storing side refuses all pending updates. */
export function cancelled(run: Run): Result<Run, StateError> {
	if (run.state === "finished") return conflict(run, "a finished run cannot be cancelled");
	return ok({ ...run, state: "cancelled", pauseReason: null, pausedAt: null, deadline: null, making: null });
}

export function isClosed({ state }: Run): boolean {
	return state === "finished" || state === "cancelled";
}

function conflict(run: Run, message: string): Result<never, StateError> {
	return err({ code: "state_conflict", state: run.state, message });
}
