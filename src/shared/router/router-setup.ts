import type { CatalogSnapshot } from "../catalog/snapshot.ts";
import type { RouterSetup } from "./online-view.ts";

/** The name of a router's object: a tenant's name holds no colon, nor does a router's id. */
export function routerName(tenant: string, router: string): string {
	return `${tenant}:${router}`;
}

/** What a router's object must know of it. Routers that requests make up, and those without a list, have all models that write. */
export function setupOf({ version, catalog, routers }: CatalogSnapshot, id: string): RouterSetup {
	const router = routers.get(id);
	const listed = router?.models && new Set(router.models);
	const models = catalog.models.filter(({ id: model, capabilities }) =>
		listed ? listed.has(model) : capabilities.some((each) => each === "chat" || each === "completions"),
	);
	return {
		catalogVersion: version,
		// A card is what scores are compared with, so that another one is another beginning too.
		models: models.map((model) => ({ id: model.id, version: JSON.stringify([model.version ?? "", model.card ?? ""]) })),
		incumbent: router?.incumbent ?? null,
		margin: 1 - (router?.quality_floor ?? 1),
	};
}
