import { Hono } from "hono";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { within } from "../../src/adapters/catalog-deadline.ts";
import { errorResponse } from "../../src/shared/http/errors.ts";
import type { SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";

/** How long a scheduler may take to tell its state: one that hangs must not hide the others. */
const STATUS_SECONDS = 3;

/** `GET /admin/fleet`: what each model's scheduler knows of its replicas now: health, load, learned rates, busy time and what
 *  that costs. A scheduler that does not answer in time is null. */
export const fleetRoutes = new Hono<{ Bindings: Env }>().get("/fleet", async (c) => {
	const snapshot = await isolateCatalog(c.env).snapshot((promise) => c.executionCtx.waitUntil(promise));
	if (!snapshot.ok) return errorResponse(snapshot.error);
	const { version, models } = snapshot.value;
	const ids = [...new Set([...models.values()].map(({ id }) => id))];
	const statuses = await Promise.all(
		ids.map(async (id) => {
			const scheduler: SchedulerPort = c.env.SCHEDULER.getByName(schedulerName(id));
			return [id, await within(STATUS_SECONDS, scheduler.status(id, version)).catch(() => null)] as const;
		}),
	);
	return c.json({ version, models: Object.fromEntries(statuses) });
});
