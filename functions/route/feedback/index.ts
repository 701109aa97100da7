import { isolateAuthenticator } from "../../../src/adapters/authenticate.ts";
import { mediaType, readBytes } from "../../../src/adapters/read-bytes.ts";
import { errorBody, errorResponse, isobarError, type IsobarError } from "../../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../../src/shared/result.ts";
import { FEEDBACK_BYTES_MAX, readFeedback } from "../../../src/shared/router/feedback.ts";
import { mayMove } from "../../../src/shared/router/outcome.ts";
import { withinDeadline } from "../objects.ts";
import { thisIsolate } from "../isolate.ts";
import { routerOf } from "../auto/views.ts";
import { heard, type Heard } from "./heard.ts";

/** `POST /v1/feedback`: how good an answer was. One word, whose error is the answer's; or a list of them, each with a result of its
 *  own. */
export async function takeFeedback(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const key = await isolateAuthenticator(env).authenticate(request.headers, (promise) => ctx.waitUntil(promise));
	if (!key.ok) return errorResponse(key.error);
	const { tenant } = key.value;
	const text = await textOf(request);
	if (!text.ok) return errorResponse(text.error);
	const read = readFeedback(text.value);
	if (!read.ok) return errorResponse(read.error);
	const { batch, items } = read.value;
	const found = await Promise.all(items.map(async (item) => (item.ok ? heard(item.value, tenant, env, ctx) : item)));
	const told = await tellRouters(found, tenant, env);
	const [only] = told;
	if (!batch) return only!.ok ? Response.json(shown(only!.value)) : errorResponse(only!.error);
	const data = told.map((each) =>
		each.ok ? shown(each.value) : { object: "feedback", ...(JSON.parse(errorBody(each.error)) as object) },
	);
	return Response.json({ object: "list", data });
}

async function textOf(request: Request): Promise<Result<string, IsobarError>> {
	const type = mediaType(request, { "application/json": "json" });
	if (!type.ok) return type;
	const bytes = await readBytes(request, FEEDBACK_BYTES_MAX);
	if (!bytes.ok) return bytes;
	try {
		return ok(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes.value));
	} catch {
		return err(isobarError("invalid_json", "The body is not UTF-8"));
	}
}

type Words = readonly Result<Heard, IsobarError>[];

/** Tells each router what was said of its answers, in one call. */
async function tellRouters(found: Words, tenant: string, env: Env): Promise<Words> {
	const { settings } = thisIsolate(env);
	const outcomes = Map.groupBy(
		found.flatMap((each) => (each.ok ? [each.value] : [])),
		({ router }) => router,
	);
	const failed = new Set<string>();
	await Promise.all(
		[...outcomes].map(async ([router, words]) => {
			const told = routerOf(env, tenant, router).tell(words.map(({ outcome }) => outcome));
			await withinDeadline(settings.ledgerDeadlineSeconds, told).catch(() => failed.add(router));
		}),
	);
	return found.map((each) => (each.ok && failed.has(each.value.router) ? err(unavailable(each.value)) : each));
}

function unavailable({ router }: Heard): IsobarError {
	const message = `The router ${JSON.stringify(router)} cannot be reached; it may have heard this, and may be told again.`;
	return isobarError("router_unavailable", message, { retryAfter: 2 });
}

function shown({ router, outcome }: Heard): object {
	return {
		object: "feedback",
		request_id: outcome.request,
		router,
		model: outcome.model,
		source: outcome.source,
		score: outcome.score,
		...(outcome.over && { preferred_to: outcome.over.request }),
		/** False: the model was chosen and not drawn, so that the score is counted and moves no estimate. */
		may_move: mayMove(outcome),
	};
}
