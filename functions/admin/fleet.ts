import { Hono } from "hono";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { within } from "../../src/adapters/catalog-deadline.ts";
import { errorResponse } from "../../src/shared/http/errors.ts";
import type { SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName, schedulerOptions, schedulerPlaces } from "../../src/shared/scheduler/name.ts";
import { mergedStatus } from "../../src/shared/scheduler/status.ts";

/** How long a scheduler may take to tell its state: one that hangs must not hide the others. */
const STATUS_SECONDS = 3;

/** `GET /admin/fleet`: what each model's schedulers know of their replicas now: health, load, learned rates, busy time and what
 *  that costs. A model whose schedulers do not answer in time is null. */
export const fleetRoutes = new Hono<{ Bindings: Env }>().get("/fleet", async (c) => {
	const snapshot = await isolateCatalog(c.env).snapshot((promise) => c.executionCtx.waitUntil(promise));
	if (!snapshot.ok) return errorResponse(snapshot.error);
	const { version, models } = snapshot.value;
	const statuses = await Promise.all(
		[...new Set(models.values())].map(async (model) => {
			const asked = schedulerPlaces(model).map((place) => {
				const scheduler: SchedulerPort = c.env.SCHEDULER.getByName(
					schedulerName(model.id, place),
					schedulerOptions(model, place),
				);
				return within(STATUS_SECONDS, scheduler.status(model.id, version)).catch(() => null);
			});
			const known = (await Promise.all(asked)).filter((status) => status !== null);
			return [model.id, known.length > 0 ? mergedStatus(known) : null] as const;
		}),
	);
	return c.json({ version, models: Object.fromEntries(statuses) });
});
