import { Hono } from "hono";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { errorResponse } from "../../src/shared/http/errors.ts";
import type { SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";

/** `GET /admin/fleet`: what each model's scheduler knows of its replicas now: health, load, learned rates, busy time and what
 *  that costs. A scheduler that does not answer is null. */
export const fleetRoutes = new Hono<{ Bindings: Env }>().get("/fleet", async (c) => {
	const snapshot = await isolateCatalog(c.env).snapshot((promise) => c.executionCtx.waitUntil(promise));
	if (!snapshot.ok) return errorResponse(snapshot.error);
	const { version, models } = snapshot.value;
	const ids = [...new Set([...models.values()].map(({ id }) => id))];
	const statuses = await Promise.all(
		ids.map(async (id) => {
			const scheduler: SchedulerPort = c.env.SCHEDULER.getByName(schedulerName(id));
			return [id, await scheduler.status(id, version).catch(() => null)] as const;
		}),
	);
	return c.json({ version, models: Object.fromEntries(statuses) });
});
