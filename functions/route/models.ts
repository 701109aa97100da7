import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import type { Key } from "../../src/shared/catalog/keys.ts";
import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import type { CatalogModel, CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { errorResponse, type IsobarError } from "../../src/shared/http/errors.ts";
import { ok, type Result } from "../../src/shared/result.ts";

/** `GET /v1/models`: what the key may name, in OpenAI's shape, with what the catalog says beside it. */
export async function listModels(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const view = await viewOf(request, env, ctx);
	if (!view.ok) return errorResponse(view.error);
	const { key, snapshot } = view.value;
	const models = new Set(snapshot.models.values());
	const data = [...models].filter(({ id }) => key.allowed_models?.includes(id) ?? true).map(modelObject);
	return Response.json({ object: "list", data });
}

/** `GET /v1/models/{id}`, by id or alias. */
export async function retrieveModel(id: string, request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const view = await viewOf(request, env, ctx);
	if (!view.ok) return errorResponse(view.error);
	const found = resolveModel(view.value.snapshot, id, view.value.key);
	return found.ok ? Response.json(modelObject(found.value)) : errorResponse(found.error);
}

async function viewOf(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<{ key: Key; snapshot: CatalogSnapshot }, IsobarError>> {
	const waitUntil = (promise: Promise<unknown>): void => ctx.waitUntil(promise);
	const key = await isolateAuthenticator(env).authenticate(request.headers, waitUntil);
	if (!key.ok) return key;
	const snapshot = await isolateCatalog(env).snapshot(waitUntil);
	return snapshot.ok ? ok({ key: key.value, snapshot: snapshot.value }) : snapshot;
}

function modelObject({ id, model, pools, longestContext }: CatalogModel): object {
	return {
		id,
		object: "model",
		// The catalog has no date of a model; OpenAI's schema wants one.
		created: 0,
		owned_by: "isobar",
		aliases: model.aliases,
		context_length: longestContext || model.context_length,
		capabilities: model.capabilities,
		pools: pools.map((pool) => pool.id),
	};
}
