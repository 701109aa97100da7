import { within } from "../../src/adapters/catalog-deadline.ts";
import type { CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { KvPort } from "../../src/shared/kv/events/messages.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { schedulerName, schedulerOptions, schedulerPlaces } from "../../src/shared/scheduler/name.ts";

/** How long these endpoints wait for the schedulers. None is on the hot path. */
const DEADLINE_SECONDS = 5;

/** Asks a model's schedulers, all of them or those of one region group, in the order of their shards; or says
 *  `scheduler_unavailable` when one fails or is late, though the call may take effect all the same. */
export async function askSchedulers<T>(
	env: Env,
	model: CatalogModel,
	ask: (scheduler: KvPort) => Promise<T>,
	only?: string,
): Promise<Result<readonly [T, ...T[]], IsobarError>> {
	const places = schedulerPlaces(model).filter(({ group }) => only === undefined || group === only);
	const asked = places.map((place) =>
		ask(env.SCHEDULER.getByName(schedulerName(model.id, place), schedulerOptions(model, place))),
	);
	const answer = await within(
		DEADLINE_SECONDS,
		Promise.all(asked).then(
			(values) => ({ values }),
			(error: unknown) => ({ error }),
		),
	);
	if (answer && "values" in answer) {
		const [first, ...others] = answer.values;
		if (first !== undefined) return ok([first, ...others]);
	} else if (answer) {
		console.error(JSON.stringify({ event: "kv_scheduler_failed", model: model.id, error: String(answer.error) }));
	}
	return err(isobarError("scheduler_unavailable", "The model's scheduler cannot be reached", { retryAfter: 1 }));
}
