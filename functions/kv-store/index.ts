import { Hono, type Context } from "hono";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Result } from "../../src/shared/result.ts";
import { takeEvents } from "./events.ts";
import { lookUp } from "./lookup.ts";
import { readStats } from "./stats.ts";

type Handle = (request: Request, env: Env, ctx: ExecutionContext) => Promise<Result<object, IsobarError>>;
type KvContext = Context<{ Bindings: Env }>;

const METHODS: Readonly<Record<string, string>> = { events: "POST", lookup: "POST", stats: "GET" };

const run =
	(handle: Handle) =>
	async (c: KvContext): Promise<Response> => {
		const result = await handle(c.req.raw, c.env, c.executionCtx as ExecutionContext);
		return result.ok ? Response.json(result.value) : errorResponse(result.error);
	};

/** KV-cache metadata: engine events in, look-ups and statistics out. */
export const kvStoreApp = new Hono<{ Bindings: Env }>()
	.post("/v1/kv/events", run(takeEvents))
	.post("/v1/kv/lookup", run(lookUp))
	.get("/v1/kv/stats", run(readStats))
	.all("/v1/kv/:path{events|lookup|stats}", (c) => {
		const allow = METHODS[c.req.param("path")] ?? "";
		const message = `${c.req.method} is not allowed on ${c.req.path}; use ${allow}`;
		const response = errorResponse(isobarError("method_not_allowed", message));
		response.headers.set("allow", allow);
		return response;
	});
