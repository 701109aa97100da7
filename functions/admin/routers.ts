import { Hono, type Context } from "hono";
import * as z from "zod";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { keyInputSchema } from "../../src/shared/catalog/keys.ts";
import { didYouMean } from "../../src/shared/catalog/nearest-names.ts";
import { DEFAULT_ROUTER, LIST_ROUTER } from "../../src/shared/catalog/router-names.ts";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { routerName, setupOf } from "../../src/shared/router/router-setup.ts";
import { takeLabels, type FoundRouter } from "./router-labels.ts";
import { readQuery } from "./request.ts";

type AdminContext = Context<{ Bindings: Env }>;

const query = z.strictObject({ tenant: keyInputSchema.shape.tenant });

/** What tenants' routers have learned: `/routers/{id}`, `/routers/{id}/anchors`. */
export const routerRoutes = new Hono<{ Bindings: Env }>()
	.get("/routers/:id", async (c) => {
		const found = await routerIn(c);
		if (!found.ok) return errorResponse(found.error);
		const { port, snapshot, id } = found.value;
		return c.json(await port.state(setupOf(snapshot, id)));
	})
	.put("/routers/:id/anchors", async (c) => {
		const found = await routerIn(c);
		if (!found.ok) return errorResponse(found.error);
		const labelled = await takeLabels(c, found.value);
		return labelled.ok ? c.json(labelled.value) : errorResponse(labelled.error);
	})
	.delete("/routers/:id", async (c) => {
		const found = await routerIn(c);
		if (!found.ok) return errorResponse(found.error);
		await found.value.port.reset();
		return c.json({ object: "router", id: found.value.id, tenant: found.value.tenant, reset: true });
	});

/** The router that a call names, of the tenant that it names. Routers that requests make up are there too. */
async function routerIn(c: AdminContext): Promise<Result<FoundRouter, IsobarError>> {
	const asked = readQuery(c.req.query(), query);
	if (!asked.ok) return asked;
	const { tenant } = asked.value;
	const id = c.req.param("id") ?? "";
	const snapshot = await isolateCatalog(c.env).snapshot((promise) => c.executionCtx.waitUntil(promise));
	if (!snapshot.ok) return snapshot;
	const { routers } = snapshot.value;
	if (!routers.has(id) && id !== DEFAULT_ROUTER && id !== LIST_ROUTER) {
		const message = `Unknown router ${JSON.stringify(id.slice(0, 128))}${didYouMean(id, routers.keys())}`;
		return err(isobarError("router_not_found", message, { param: "id" }));
	}
	return ok({ id, tenant, snapshot: snapshot.value, port: c.env.ROUTER.getByName(routerName(tenant, id)) });
}
