import { Hono } from "hono";
import { errorResponse, isobarError } from "../src/shared/http/errors.ts";
import { adminApp } from "./admin/index.ts";
import { routeApp } from "./route/index.ts";

/** All functions as one Worker. */
const app = new Hono<{ Bindings: Env }>()
	.get("/healthz", (c) => c.json({ ok: true }))
	.route("/admin", adminApp)
	.route("/", routeApp);

app.notFound((c) => errorResponse(isobarError("not_found", `There is nothing at ${c.req.method} ${c.req.path}.`)));
app.onError((error, c) => {
	// The text of a bug may hold anything of a request, so the client gets none of it.
	console.error(JSON.stringify({ event: "bug", path: c.req.path, name: error.name, stack: error.stack }));
	return errorResponse(isobarError("internal", "Isobar failed; the log says why."));
});

export default app;
export { Ledger } from "../durable-objects/ledger.ts";
export { Scheduler } from "../durable-objects/scheduler.ts";
