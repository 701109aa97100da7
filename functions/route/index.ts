import { Hono, type Context } from "hono";
import { errorResponse, isobarError } from "../../src/shared/http/errors.ts";
import type { Endpoint } from "../../src/shared/scheduler/messages.ts";
import { complete } from "./complete.ts";
import { listModels, retrieveModel } from "./models.ts";
import { readRecord } from "./records.ts";
import { readUsage } from "./usage.ts";

const HOT: ReadonlyMap<string, Endpoint> = new Map([
	["/v1/chat/completions", "chat"],
	["/v1/completions", "completions"],
	["/v1/embeddings", "embeddings"],
]);

/** The hot path without the router, whose share is a twentieth of a small request; null for what the router must see. */
export function hotRoute(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> | null {
	if (request.method !== "POST") return null;
	const { url } = request;
	const endpoint = HOT.get(url.slice(url.indexOf("/", url.indexOf("//") + 2)));
	return endpoint === undefined ? null : complete(endpoint, request, env, ctx);
}

type RouteContext = Context<{ Bindings: Env }>;

const run =
	(handle: (request: Request, env: Env, ctx: ExecutionContext) => Promise<Response>) =>
	(c: RouteContext): Promise<Response> =>
		handle(c.req.raw, c.env, c.executionCtx as ExecutionContext);

/** Prompts in, tokens out: the OpenAI endpoints, and what a key may read of its own requests. */
export const routeApp = new Hono<{ Bindings: Env }>()
	.post(
		"/v1/chat/completions",
		run((request, env, ctx) => complete("chat", request, env, ctx)),
	)
	.post(
		"/v1/completions",
		run((request, env, ctx) => complete("completions", request, env, ctx)),
	)
	.post(
		"/v1/embeddings",
		run((request, env, ctx) => complete("embeddings", request, env, ctx)),
	)
	.get("/v1/models", run(listModels))
	.get("/v1/models/:id{.+}", (c) =>
		retrieveModel(c.req.param("id"), c.req.raw, c.env, c.executionCtx as ExecutionContext),
	)
	.get("/v1/requests/:id", (c) => readRecord(c.req.param("id"), c.req.raw, c.env, c.executionCtx as ExecutionContext))
	.get("/v1/usage", run(readUsage))
	.post(
		"/v1/feedback",
		run(async (request, env, ctx) => (await import("./feedback/index.ts")).takeFeedback(request, env, ctx)),
	)
	.all("/v1/:path{chat/completions|completions|embeddings|models|usage|feedback}", (c) => wrongMethod(c));

function wrongMethod(c: RouteContext): Response {
	const allowed = ["models", "usage"].includes(c.req.param("path") ?? "") ? "GET" : "POST";
	// The router also leads here what has a slash too many.
	if (c.req.method === allowed) return c.notFound() as Response;
	const error = isobarError("method_not_allowed", `${c.req.method} is not allowed on ${c.req.path}; use ${allowed}.`);
	const response = errorResponse(error);
	response.headers.set("allow", allowed);
	return response;
}
