import { Hono, type Handler } from "hono";
import { errorResponse, isobarError } from "../src/shared/http/errors.ts";
import { adminApp } from "./admin/index.ts";
import { logBug } from "./bug.ts";
import { kvStoreApp } from "./kv-store/index.ts";
import { hotRoute, routeApp } from "./route/index.ts";

/** Loaded with the first request for it: what it needs to check specifications would make every isolate start later. */
const runs: Handler<{ Bindings: Env }> = async (c) => {
	const { aggregateApp } = await import("./aggregate/index.ts");
	return aggregateApp.fetch(c.req.raw, c.env, c.executionCtx);
};

/** All functions as one Worker. */
const app = new Hono<{ Bindings: Env }>()
	.get("/healthz", (c) => c.json({ ok: true }))
	.route("/admin", adminApp)
	.all("/v1/runs/*", runs)
	.all("/v1/runs", runs)
	.route("/", kvStoreApp)
	.route("/", routeApp);

app.notFound((c) => errorResponse(isobarError("not_found", `There is nothing at ${c.req.method} ${c.req.path}.`)));
app.onError((error, c) => bug(error, c.req.path));

function bug(error: unknown, path: string): Response {
	logBug(error, path);
	return errorResponse(isobarError("internal", "Isobar failed; the log says why."));
}

export default {
	fetch(request, env, ctx) {
		const hot = hotRoute(request, env, ctx);
		return hot
			? hot.catch((error: unknown) => bug(error, new URL(request.url).pathname))
			: app.fetch(request, env, ctx);
	},
} satisfies ExportedHandler<Env>;
export { Ledger } from "../durable-objects/ledger.ts";
export { Run } from "../durable-objects/run.ts";
export { Scheduler } from "../durable-objects/scheduler.ts";
export { Shard } from "../durable-objects/shard.ts";
