import { DEFAULT_ROUTER, LIST_ROUTER, ROUTER_MODELS_MAX } from "../catalog/router-names.ts";
import type { Router } from "../catalog/routers.ts";
import { didYouMean, nearestNames } from "../catalog/nearest-names.ts";
import { resolveModel } from "../catalog/resolve-model.ts";
import type { Key } from "../catalog/keys.ts";
import type { CatalogModel, CatalogSnapshot } from "../catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import { QUALITY_USD } from "../objective/defaults.ts";
import { err, ok, type Result } from "../result.ts";

/** Whom a request lets choose: a router of the catalog, or one made up from the models that it lists. */
export type Target = { readonly router: string } | { readonly models: readonly string[] };

const AUTO = "auto";

/** The router that `auto` or `auto:ID` names; undefined for the name of a model. */
export function routerNamed(model: string): string | undefined {
	if (model === AUTO) return DEFAULT_ROUTER;
	return model.startsWith(`${AUTO}:`) ? model.slice(AUTO.length + 1) : undefined;
}

/** A list of models as a request gives it: from 1 to ROUTER_MODELS_MAX names. Parsed only where it is no longer. */
export function readList(count: number, parse: () => unknown): Result<readonly string[], IsobarError> {
	const wrong = (message: string) => err(isobarError("invalid_request", message, { param: "model" }));
	if (count > ROUTER_MODELS_MAX) {
		return wrong(`model may list ${ROUTER_MODELS_MAX} models at most, and lists ${count}.`);
	}
	const value = parse();
	if (!Array.isArray(value) || value.length === 0) return wrong("model must be a name or a list that is not empty.");
	const names: string[] = [];
	for (const [index, name] of value.entries()) {
		if (typeof name !== "string" || name === "") return wrong(`model[${index}] must be the name of a model.`);
		if (routerNamed(name) !== undefined) return wrong(`model[${index}]: a list names models, and no router.`);
		if (!names.includes(name)) names.push(name);
	}
	return ok(names);
}

/** A router with its models. */
export interface RouterModels {
	readonly router: Router;
	/** In the order of the router's list, else in that of the catalog. */
	readonly models: readonly CatalogModel[];
	/** Those that the key may not name. */
	readonly forbidden: readonly string[];
}

/** The router of a target. A router that is not there fails with `router_not_found` and the nearest names, a model of a list as if it
 *  was named alone. */
export function resolveTarget(snapshot: CatalogSnapshot, target: Target, key: Key): Result<RouterModels, IsobarError> {
	if ("models" in target) {
		const models = new Set<CatalogModel>();
		for (const name of target.models) {
			const found = resolveModel(snapshot, name, key);
			if (!found.ok) return found;
			models.add(found.value);
		}
		return ok({ router: implicit(LIST_ROUTER), models: [...models], forbidden: [] });
	}
	const router = snapshot.routers.get(target.router);
	if (!router && target.router !== DEFAULT_ROUTER) return err(notFound(snapshot, target.router, key));
	const all = router?.models
		? router.models.flatMap((id) => snapshot.models.get(id) ?? [])
		: [...new Set(snapshot.models.values())];
	if (all.length === 0) {
		return err(
			isobarError("catalog_empty", "The catalog holds no model yet; an operator adds some with PUT /admin/catalog"),
		);
	}
	const models = all.filter(({ id }) => mayUse(key, id));
	const forbidden = all.filter(({ id }) => !mayUse(key, id)).map(({ id }) => id);
	if (models.length > 0) return ok({ router: router ?? implicit(DEFAULT_ROUTER), models, forbidden });
	const message = `The key ${key.id} may use none of the models of the router ${JSON.stringify(target.router)}; it may use: ${key.allowed_models?.join(", ")}.`;
	return err(isobarError("model_not_allowed", message, { param: "model", details: { allowed: key.allowed_models } }));
}

/** What `model` may name besides models: the routers of which the key may use a model. */
export function routerNames(snapshot: CatalogSnapshot, key: Key): string[] {
	const isUsable = (id: string): boolean => {
		const { capabilities } = snapshot.models.get(id)?.model ?? {};
		return mayUse(key, id) && (capabilities?.some((each) => each === "chat" || each === "completions") ?? false);
	};
	const ids = snapshot.catalog.models.map(({ id }) => id);
	const named = [...snapshot.routers.values()].filter(({ models = ids }) => models.some(isUsable));
	const auto = snapshot.routers.has(DEFAULT_ROUTER)
		? named.some(({ id }) => id === DEFAULT_ROUTER)
		: ids.some(isUsable);
	return [...(auto ? [AUTO] : []), ...named.map(({ id }) => `${AUTO}:${id}`)];
}

function mayUse(key: Key, id: string): boolean {
	return key.allowed_models?.includes(id) ?? true;
}

function implicit(id: string): Router {
	return { id, quality_usd: QUALITY_USD };
}

function notFound(snapshot: CatalogSnapshot, id: string, key: Key): IsobarError {
	const names = routerNames(snapshot, key).map((name) => routerNamed(name)!);
	const hint = didYouMean(id, names) || `; GET /v1/models lists those that the key may name`;
	const message = `Unknown router ${JSON.stringify(id.slice(0, 128))}${hint}`;
	return isobarError("router_not_found", message, { param: "model", details: { nearest: nearestNames(id, names) } });
}
