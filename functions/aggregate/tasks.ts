import * as z from "zod";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Result } from "../../src/shared/result.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { Shown } from "../../durable-objects/run.messages.ts";
import { readQuery } from "./body.ts";
import { clientOf } from "./caller.ts";
import { factsOf } from "./objects.ts";
import { hashOf } from "./secret.ts";

const WAIT_SECONDS_MAX = 30;

const taskQuery = z.strictObject({
	wait: z.coerce.number().min(0).max(WAIT_SECONDS_MAX).default(0),
	loss: z.coerce.number().optional(),
});

/** `GET /v1/runs/{id}/task` */
export async function readTask(request: Request, env: Env, run: string): Promise<Result<Shown, IsobarError>> {
	const caller = await clientOf(request, env, run);
	if (!caller.ok) return caller;
	const query = readQuery(request.url, taskQuery);
	if (!query.ok) return query;
	const { wait, loss = null } = query.value;
	return runOf(env, run).task(caller.value.client, loss, wait);
}

/** `GET /v1/runs/{id}/socket?ticket=` */
export async function openSocket(request: Request, env: Env, run: string): Promise<Response> {
	if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
		return errorResponse(isobarError("invalid_request", "Send `Upgrade: websocket`", { param: "upgrade" }));
	}
	const facts = await factsOf(env, run);
	if (!facts.ok) return errorResponse(facts.error);
	const ticket = new URL(request.url).searchParams.get("ticket") ?? "";
	const headers = new Headers({ upgrade: "websocket", "x-isobar-ticket": await hashOf(ticket) });
	return runOf(env, run).fetch(new Request(`https://run.isobar.internal/${run}`, { headers }));
}
