import { within } from "../../src/adapters/catalog-deadline.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { KvPort } from "../../src/shared/kv/events/messages.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";

/** How long these endpoints wait for the scheduler. None is on the hot path. */
const DEADLINE_SECONDS = 5;

/** Asks a model's scheduler, or says `scheduler_unavailable` when it fails or is late; the call may take effect all the same. */
export async function askScheduler<T>(
	env: Env,
	model: string,
	ask: (scheduler: KvPort) => Promise<T>,
): Promise<Result<T, IsobarError>> {
	const scheduler: KvPort = env.SCHEDULER.getByName(schedulerName(model));
	const answer = await within(
		DEADLINE_SECONDS,
		ask(scheduler).then(
			(value) => ({ value }),
			(error: unknown) => ({ error }),
		),
	);
	if (answer && "value" in answer) return ok(answer.value);
	if (answer) console.error(JSON.stringify({ event: "kv_scheduler_failed", model, error: String(answer.error) }));
	return err(isobarError("scheduler_unavailable", "The model's scheduler cannot be reached", { retryAfter: 1 }));
}
