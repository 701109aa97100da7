import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { isolateCatalog, type WaitUntil } from "../../src/adapters/catalog-cache.ts";
import type { Key } from "../../src/shared/catalog/keys.ts";
import { policyFor } from "../../src/shared/catalog/policy.ts";
import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import type { CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { isLimited, limitsOf } from "../../src/shared/ledger/limits.ts";
import type { Amount, KeyLimits } from "../../src/shared/ledger/messages.ts";
import { nanoFromUsd } from "../../src/shared/money/nano.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type { AssignPolicy, Endpoint } from "../../src/shared/scheduler/messages.ts";
import type { Seconds, Tokens } from "../../src/shared/units.ts";
import { askLedger, carriers, withinDeadline } from "./objects.ts";
import { now, thisIsolate, type Isolate } from "./isolate.ts";
import { requestPrefix, type RequestPrefix } from "./prefix.ts";
import { readBody } from "./read-body.ts";
import { ROUTE_HEADER } from "../../src/shared/router/controls.ts";
import type { Unrouted } from "./auto/unrouted.ts";
import type { ModelRoute, Planned } from "./planned.ts";
import type { Beside, Prepared, Stage } from "./prepared.ts";
import { readRequest, type RoutedRequest, type RouteRequest } from "./read-request.ts";
import { refusalError } from "./refusal-error.ts";
import { edgeOf, requestSchedulers, type Edge, type RequestSchedulers } from "./schedulers.ts";
import type { Hold } from "./purse.ts";
import { amountOf, sizesOf, worstOf } from "./sizes.ts";

/** A request that may be sent: it is who it says, can be understood, and its cost is reserved. */
export interface Admitted {
	readonly id: string;
	readonly isolate: Isolate;
	readonly key: Key;
	readonly request: RoutedRequest;
	readonly model: CatalogModel;
	readonly catalogVersion: number;
	readonly policy: AssignPolicy;
	readonly prefix: RequestPrefix;
	readonly edge: Edge;
	readonly schedulers: RequestSchedulers;
	/** Output tokens of one choice at most: the client's, or the default that is injected. */
	readonly choiceTokensMax: Tokens;
	readonly outputTokensMax: Tokens;
	readonly hold: Hold;
	/** Unix seconds. */
	readonly startedAt: Seconds;
	/** Null where the client named the model. */
	readonly route: ModelRoute | null;
	readonly stage: Stage | null;
	/** Of a request that is made beside a client's. */
	readonly beside: Beside | null;
}

/** The same without the prompt, which is not needed any more once an answer has begun: a stream may last for minutes, and
 *  an isolate has 128 MB for all. */
export function withoutPrompt(admitted: Admitted): Admitted {
	const { request, prefix } = admitted;
	return {
		...admitted,
		request: { ...request, json: NO_JSON, members: [], prompt: { start: 0, end: 0 } },
		prefix: { ...prefix, chain: { ...prefix.chain, words: NO_WORDS }, tokenChains: undefined },
	};
}

const NO_JSON = { bytes: new Uint8Array(), text: "" };
const NO_WORDS = new Uint32Array();

/** From an HTTP request to one that knows where it may go: key, body, model, policy, in the order in which a refusal is cheapest. */
export async function prepare(
	id: string,
	endpoint: Endpoint,
	http: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<Prepared, IsobarError>> {
	const startedAt = now();
	const waitUntil = (promise: Promise<unknown>): void => ctx.waitUntil(promise);
	const authenticated = await isolateAuthenticator(env).authenticate(http.headers, waitUntil);
	if (!authenticated.ok) return authenticated;
	const key = authenticated.value;

	const body = await readBody(http);
	if (!body.ok) return body;
	const read = readRequest(endpoint, body.value, http.headers.get(ROUTE_HEADER));
	if (!read.ok) return read;

	const snapshot = await isolateCatalog(env).snapshot(waitUntil);
	if (!snapshot.ok) return snapshot;
	const isolate = thisIsolate(env);
	const caller = { id, isolate, key, request: read.value, snapshot: snapshot.value, edge: edgeOf(http) };
	const planned = read.value.route ? await routed(caller, read.value.route, env, waitUntil) : named(caller);
	return planned.ok ? ok({ ...caller, startedAt, planned: planned.value, stage: null, beside: null }) : planned;
}

/** Reserves its money, and makes ready what its attempts need. */
export async function hold(
	prepared: Prepared,
	headers: Headers,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<Admitted, IsobarError>> {
	const { id, isolate, key, snapshot, edge, startedAt, planned, stage, beside } = prepared;
	const { request, model, policy, need, route } = planned;
	const held = await reserve(isolate, key, need, env, waitUntil);
	if (!held.ok) return held;
	const { choiceTokensMax, outputTokensMax } = sizesOf(request, key, model);
	return ok({
		id,
		isolate,
		key,
		request,
		model,
		catalogVersion: snapshot.version,
		policy,
		prefix: requestPrefix(request, headers, model, key, isolate.settings.prefixBlockBytes, env.ADMIN_TOKEN),
		edge,
		schedulers: requestSchedulers(request, model, snapshot, edge),
		choiceTokensMax,
		outputTokensMax,
		hold: held.value,
		startedAt,
		route,
		stage,
		beside,
	});
}

type Caller = Pick<Unrouted, "id" | "isolate" | "key" | "request" | "snapshot" | "edge">;

/** A request that names its model. */
function named({ isolate, key, request, snapshot }: Caller): Result<Planned, IsobarError> {
	const { settings } = isolate;
	const found = resolveModel(snapshot, request.model, key);
	if (!found.ok) return found;
	const model = found.value;
	const policy = policyFor(key.policy, request.overrides, settings.waitingSecondsMax);
	const sizes = sizesOf(request, key, model);
	const need = amountOf(worstOf(model, request, policy, sizes, settings), sizes);
	return ok({ request, model, policy, need, route: null });
}

/** One that leaves it to a router, which is loaded with the first of them. */
async function routed(
	caller: Caller,
	route: RouteRequest,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<Planned, IsobarError>> {
	const { key, request, isolate } = caller;
	const policy = policyFor(key.policy, request.overrides, isolate.settings.waitingSecondsMax);
	const [{ routeRequest }, { isolateEstimator }] = await Promise.all([
		import("./auto/route-request.ts"),
		import("../../src/adapters/router-weights.ts"),
	]);
	const estimator = await isolateEstimator(env).estimator();
	return routeRequest({ ...caller, route, policy, estimator }, env, waitUntil);
}

/** How long a refused request waits for what has ended in this isolate to be booked. */
const BOOKING_SECONDS = 0.5;

/** Holds `need` for the request. What has ended in this isolate counts until the ledger has booked it, and that may be all
 *  that stands in the way of a client which sends its next request at once: such a refusal is asked again. */
export async function reserve(
	isolate: Isolate,
	key: Key,
	need: Amount,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<Hold, IsobarError>> {
	const { post, settings, id } = isolate;
	const until = now() + BOOKING_SECONDS;
	for (;;) {
		const { booked } = post;
		const held = await reserveOnce(isolate, key, need, env, waitUntil);
		if (held.ok || !ROOM_COMES_BACK.has(held.error.code) || now() >= until) return held;
		const booking = post.settleNow(key.tenant, carriers(env, id, settings), until - now());
		// It takes others' settlements along, which must arrive though the client hangs up.
		waitUntil(booking.then(noop, noop));
		if (!(await booking) && post.booked === booked) return held;
	}
}

const ROOM_COMES_BACK: ReadonlySet<string> = new Set(["budget_exhausted", "rate_limited", "concurrency_limited"]);

function noop(): void {}

async function reserveOnce(
	isolate: Isolate,
	key: Key,
	need: Amount,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<Hold, IsobarError>> {
	const limits: KeyLimits = limitsOf(key);
	if (!isLimited(limits)) return ok({ lease: null, amount: need });
	const { post, credit, settings, id } = isolate;
	const ask = askLedger(env, key.tenant, id, settings);
	const reserved = post.wallet(key.tenant).reserve(key.id, limits, need, ask, now, waitUntil);
	if ("ok" in reserved) return reserved.ok ? reserved : err(refusalError(reserved.error));
	try {
		const held = await withinDeadline(settings.ledgerDeadlineSeconds, reserved.promise);
		credit.restored(key.id);
		// What the new lease holds beyond this request is given back once it is idle, however long its requests last.
		if (!post.isAttended(now())) waitUntil(post.linger(key.tenant, "", carriers(env, id, settings)));
		return held.ok ? held : err(refusalError(held.error));
	} catch {
		const held = reserved.abandon();
		if (held) return ok(held);
		// The ledger may have granted a lease all the same, or be about to; nobody else may be there to give it back.
		waitUntil(post.linger(key.tenant, "", carriers(env, id, settings)));
		// Closed by default; an operator may allow a bounded amount to be spent unchecked while the ledger is away.
		const open = key.ledger_unreachable;
		if (open !== "closed" && credit.take(key.id, need.nano, nanoFromUsd(open)))
			return ok({ lease: null, amount: need });
		return err(
			isobarError("ledger_unavailable", "The ledger that keeps this key's budget cannot be reached.", {
				retryAfter: 2,
			}),
		);
	}
}
