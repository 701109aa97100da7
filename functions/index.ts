import { Hono, type Handler } from "hono";
import { errorResponse, isobarError } from "../src/shared/http/errors.ts";
import { logBug } from "../src/adapters/log-bug.ts";
import { hotRoute, routeApp } from "./route/index.ts";

type App = Hono<{ Bindings: Env }>;

/** What only some isolates are asked for is loaded with the first request for it: what it needs to check its input would make every
 *  isolate start later. */
function later(path: string, load: () => Promise<App>): Handler<{ Bindings: Env }> {
	let loaded: Promise<App> | undefined;
	return async (c) => {
		loaded ??= load().then((app) => answering(new Hono<{ Bindings: Env }>().route(path, app)));
		return (await loaded).fetch(c.req.raw, c.env, c.executionCtx);
	};
}

/** Answers what is not there, and what is wrong with this code, in the form of all errors. */
function answering(app: App): App {
	app.notFound((c) => errorResponse(isobarError("not_found", `There is nothing at ${c.req.method} ${c.req.path}.`)));
	app.onError((error, c) => bug(error, c.req.path));
	return app;
}

const admin = later("/admin", async () => (await import("./admin/index.ts")).adminApp);
const kvStore = later("/", async () => (await import("./kv-store/index.ts")).kvStoreApp);
const runs = later("/", async () => (await import("./aggregate/index.ts")).aggregateApp);

/** All functions as one Worker. */
const app = answering(
	new Hono<{ Bindings: Env }>()
		.get("/healthz", (c) => c.json({ ok: true }))
		.all("/admin", admin)
		.all("/admin/*", admin)
		.all("/v1/kv/*", kvStore)
		.all("/v1/runs/*", runs)
		.all("/v1/runs", runs)
		.route("/", routeApp),
);

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
export { AnswerCache } from "../durable-objects/cache.ts";
export { Ledger } from "../durable-objects/ledger.ts";
export { Router } from "../durable-objects/router.ts";
export { Run } from "../durable-objects/run.ts";
export { Scheduler } from "../durable-objects/scheduler.ts";
export { Shard } from "../durable-objects/shard.ts";
