import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import type { Capability } from "../../src/shared/catalog/schema.ts";
import type { Key } from "../../src/shared/catalog/keys.ts";
import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import type { CatalogModel, CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { resolveTarget, routerNamed, routerNames } from "../../src/shared/router/target.ts";
import { errorResponse, type IsobarError } from "../../src/shared/http/errors.ts";
import { ok, type Result } from "../../src/shared/result.ts";

/** `GET /v1/models`: what the key may name, in OpenAI's shape, with what the catalog says beside it. */
export async function listModels(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const view = await viewOf(request, env, ctx);
	if (!view.ok) return errorResponse(view.error);
	const { key, snapshot } = view.value;
	const models = new Set(snapshot.models.values());
	const data = [...models].filter(({ id }) => key.allowed_models?.includes(id) ?? true).map(modelObject);
	const routers = routerNames(snapshot, key).map((name) => routerObject(name, snapshot, key));
	return Response.json({ object: "list", data: [...routers, ...data] });
}

/** `GET /v1/models/{id}`, by id or alias, or a router's name. */
export async function retrieveModel(id: string, request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const view = await viewOf(request, env, ctx);
	if (!view.ok) return errorResponse(view.error);
	const { snapshot, key } = view.value;
	if (routerNamed(id) !== undefined) {
		const target = resolveTarget(snapshot, { router: routerNamed(id)! }, key);
		return target.ok ? Response.json(routerObject(id, snapshot, key)) : errorResponse(target.error);
	}
	const found = resolveModel(snapshot, id, key);
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

/** What a request may name in place of a model, and whom it then leaves the choice among. */
function routerObject(name: string, snapshot: CatalogSnapshot, key: Key): object {
	const resolved = resolveTarget(snapshot, { router: routerNamed(name)! }, key);
	const models = resolved.ok ? resolved.value.models.filter(({ model }) => isGenerator(model.capabilities)) : [];
	return {
		id: name,
		object: "model",
		created: 0,
		owned_by: "isobar",
		models: models.map(({ id }) => id),
		context_length: Math.max(0, ...models.map(({ longestContext }) => longestContext)),
	};
}

function isGenerator(capabilities: readonly Capability[]): boolean {
	return capabilities.some((each) => each === "chat" || each === "completions");
}
