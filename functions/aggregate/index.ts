import { Hono, type Context } from "hono";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Result } from "../../src/shared/result.ts";
import { ok } from "../../src/shared/result.ts";
import { runOf } from "../../durable-objects/federated-objects.ts";
import type { RunAction, RunFacts } from "../../durable-objects/run.messages.ts";
import { clientOf, operatorOf, readerOf, tenantOf } from "./caller.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { drainRefused } from "./drain.ts";
import { isUnreachable, UNREACHABLE } from "./unreachable.ts";
import { forgetClient, forgetRun, RUN_NOT_FOUND } from "./objects.ts";
import { encodingOf, planOf, putPart } from "./parts.ts";
import { pullDelta, pullModel, pullShard } from "./pull.ts";
import { listRuns } from "./run-list.ts";
import { createRun, invite, removeRun, rollBack } from "./runs.ts";
import { openSocket, readTask } from "./tasks.ts";
import { commitUpdate, joinRun, makeTicket, updateState } from "./updates.ts";
import {
	listAudit,
	listClients,
	listParticipation,
	listRounds,
	listVersions,
	pullState,
	pullUpdate,
	streamEvents,
} from "./watch.ts";
import { putWeights, weightsState } from "./weights.ts";

type RunContext<P extends string = string> = Context<{ Bindings: Env }, P>;
type Handled = Result<object, IsobarError> | Promise<Result<object, IsobarError>>;
type Respond = (c: RunContext) => Promise<Response>;

const ACTIONS: ReadonlySet<string> = new Set<RunAction>(["start", "pause", "resume", "finish", "cancel"]);

/** Federated runs: create, join, pull, push, commit, watch. The contract is docs/federated-api.md. */
export const aggregateApp = new Hono<{ Bindings: Env }>();

aggregateApp.use("/v1/runs/*", corsHeaders);
aggregateApp.use("/v1/runs", corsHeaders);
aggregateApp.use("/v1/runs/*", drainRefused);
aggregateApp.options("/v1/runs/*", preflight);
aggregateApp.options("/v1/runs", preflight);

// The run and what its operator does with it.
aggregateApp.post("/v1/runs", async (c) => {
	const tenant = await tenantOf(c.req.raw, c.env, ctxOf(c));
	if (!tenant.ok) return answer(tenant);
	const created = await createRun(c.req.raw, c.env, tenant.value);
	return created.ok ? answer(ok(created.value.run), created.value.isNew ? 201 : 200) : answer(created);
});
aggregateApp.get("/v1/runs", async (c) => {
	const tenant = await tenantOf(c.req.raw, c.env, ctxOf(c));
	return answer(tenant.ok ? await listRuns(c.req.url, c.env, ctxOf(c), tenant.value) : tenant);
});
aggregateApp.get(
	"/v1/runs/:run",
	reader((c, { id }) => runOf(c.env, id).show()),
);
aggregateApp.delete(
	"/v1/runs/:run",
	operator((c, { id }) => removeRun(c.env, id), 202),
);
aggregateApp.get(
	"/v1/runs/:run/weights",
	operator((c, facts) => weightsState(c.env, facts)),
);
aggregateApp.put(
	"/v1/runs/:run/weights",
	operator((c, facts) => putWeights(c.req.raw, c.env, facts)),
);
aggregateApp.post(
	"/v1/runs/:run/rollback",
	operator((c, facts) => rollBack(c.req.raw, c.env, facts), 202),
);
aggregateApp.post(
	"/v1/runs/:run/invitations",
	operator((c, facts) => invite(c.req.raw, c.env, facts), 201),
);
aggregateApp.get(
	"/v1/runs/:run/invitations",
	operator((c, { id }) => runOf(c.env, id).invitations()),
);
aggregateApp.delete(
	"/v1/runs/:run/invitations/:invitation",
	operator((c, { id }) => runOf(c.env, id).endInvitation(c.req.param("invitation") ?? "")),
);
aggregateApp.get(
	"/v1/runs/:run/clients",
	operator((c, facts) => listClients(c.req.raw, c.env, facts)),
);
aggregateApp.delete(
	"/v1/runs/:run/clients/:client",
	operator(async (c, { id }) => {
		const client = c.req.param("client") ?? "";
		forgetClient(id, client);
		return runOf(c.env, id).expel(client);
	}),
);

// What clients do.
aggregateApp.post("/v1/runs/:run/clients", async (c) => {
	const joined = await joinRun(c.req.raw, c.env, c.req.param("run"));
	return joined.ok ? answer(ok(joined.value.client), joined.value.isNew ? 201 : 200) : answer(joined);
});
aggregateApp.get("/v1/runs/:run/task", async (c) => answer(await readTask(c.req.raw, c.env, c.req.param("run"))));
aggregateApp.post("/v1/runs/:run/tickets", async (c) => {
	const caller = await clientOf(c.req.raw, c.env, c.req.param("run"));
	return answer(caller.ok ? await makeTicket(c.env, caller.value.facts.id, caller.value.client) : caller, 201);
});
aggregateApp.get("/v1/runs/:run/socket", (c) => openSocket(c.req.raw, c.env, c.req.param("run")));
aggregateApp.put("/v1/runs/:run/updates/:update/parts/:part", async (c) => {
	const { run, update, part } = c.req.param();
	const put = await putPart(c.req.raw, c.env, run, update, part);
	return put.ok ? Response.json(put.value.body, { status: put.value.status }) : answer(put);
});
aggregateApp.get("/v1/runs/:run/updates/:update", async (c) => {
	const { run, update } = c.req.param();
	const caller = await readerOf(c.req.raw, c.env, ctxOf(c), run);
	if (!caller.ok) return answer(caller);
	return answer(await updateState(c.env, caller.value.facts, caller.value.client, update, c.req.url));
});
aggregateApp.post("/v1/runs/:run/updates/:update/commit", async (c) =>
	answer(await commitUpdate(c.req.raw, c.env, c.req.param("run"), c.req.param("update"))),
);

// What can be read.
aggregateApp.get(
	"/v1/runs/:run/manifest",
	reader((_, { manifest }) => ok(manifest)),
);
aggregateApp.get(
	"/v1/runs/:run/plan",
	reader((c, facts) => {
		const encoding = encodingOf(c.req.url, facts);
		return encoding.ok ? ok(planOf(facts, encoding.value)) : encoding;
	}),
);
aggregateApp.get(
	"/v1/runs/:run/versions",
	reader((c, facts) => listVersions(c.req.raw, c.env, facts)),
);
aggregateApp.get(
	"/v1/runs/:run/versions/:version",
	reader((c, facts) => pullModel(pull(c, facts), param(c, "version"))),
);
aggregateApp.get(
	"/v1/runs/:run/versions/:version/shards/:shard",
	reader((c, facts) => pullShard(pull(c, facts), param(c, "version"), param(c, "shard"))),
);
aggregateApp.get(
	"/v1/runs/:run/versions/:version/delta",
	reader((c, facts) => pullDelta(pull(c, facts), param(c, "version"))),
);
aggregateApp.get(
	"/v1/runs/:run/versions/:version/state/:array",
	operator((c, facts) => pullState(c.env, facts, param(c, "version"), param(c, "array"), c.req.url)),
);
aggregateApp.get(
	"/v1/runs/:run/updates/:update/data",
	operator((c, facts) => pullUpdate(c.env, facts, param(c, "update"), c.req.url)),
);
aggregateApp.get(
	"/v1/runs/:run/rounds",
	operator((c, facts) => listRounds(c.req.raw, c.env, facts)),
);
aggregateApp.get(
	"/v1/runs/:run/participation",
	operator((c, facts) => listParticipation(c.req.raw, c.env, facts)),
);
aggregateApp.get(
	"/v1/runs/:run/audit",
	operator((c, facts) => listAudit(c.req.raw, c.env, facts)),
);
aggregateApp.get(
	"/v1/runs/:run/events",
	operator((c, facts) => ok(streamEvents(c.req.raw, c.env, ctxOf(c), facts))),
);

// After the paths with a name of their own.
aggregateApp.post("/v1/runs/:run/:action", async (c) => {
	const { action } = c.req.param();
	if (!ACTIONS.has(action)) return notThere(c);
	return operator((c, { id }) => runOf(c.env, id).change(action as RunAction))(c);
});
aggregateApp.all("/v1/runs/*", notThere);
aggregateApp.all("/v1/runs", notThere);

// What cannot be reached now may be in a moment; a run may have been deleted under a call; anything else is a bug, and the Worker's
// to report.
aggregateApp.onError(async (error, c) => {
	if (isUnreachable(error)) return errorResponse(UNREACHABLE);
	const [, run] = /^\/v1\/runs\/(run_[0-9a-f]{32})(?:\/|$)/.exec(c.req.path) ?? [];
	if (run === undefined || (await runOf(c.env, run).facts())) throw error;
	forgetRun(run);
	return errorResponse(RUN_NOT_FOUND);
});

function operator(handle: (c: RunContext, facts: RunFacts) => Handled, status = 200): Respond {
	return async (c) => {
		const facts = await operatorOf(c.req.raw, c.env, ctxOf(c), param(c, "run"));
		return answer(facts.ok ? await handle(c, facts.value) : facts, status);
	};
}

function reader(handle: (c: RunContext, facts: RunFacts) => Handled): Respond {
	return async (c) => {
		const caller = await readerOf(c.req.raw, c.env, ctxOf(c), param(c, "run"));
		return answer(caller.ok ? await handle(c, caller.value.facts) : caller);
	};
}

function answer(result: Result<object, IsobarError>, status = 200): Response {
	if (!result.ok) return errorResponse(result.error);
	return result.value instanceof Response ? result.value : Response.json(result.value, { status });
}

function notThere(c: RunContext): Response {
	return errorResponse(isobarError("not_found", `There is nothing at ${c.req.method} ${c.req.path}`));
}

function param(c: RunContext, name: string): string {
	return c.req.param(name) ?? "";
}

function pull(c: RunContext, facts: RunFacts) {
	return { request: c.req.raw, env: c.env, ctx: ctxOf(c), facts };
}

function ctxOf(c: RunContext): ExecutionContext {
	return c.executionCtx as ExecutionContext;
}
