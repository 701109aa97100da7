import { claimId, type Findings } from "./checks.ts";
import { didYouMean } from "./nearest-names.ts";
import { LIST_ROUTER } from "./router-names.ts";
import type { Catalog } from "./schema.ts";

/** Routers against the models of their catalog. */
export function checkRouters({ models, routers = [] }: Catalog, found: Findings): void {
	const known = new Map(models.map((model) => [model.id, model]));
	const aliases = new Map(models.flatMap(({ id, aliases: names }) => names.map((name) => [name, id] as const)));
	const ids = new Map([[LIST_ROUTER, "what goes by when a request lists models"]]);
	const checkModel = (name: string, path: string): boolean => {
		if (known.has(name)) return true;
		const id = aliases.get(name);
		const hint = id ? `; it is an alias, use the id ${JSON.stringify(id)}` : didYouMean(name, known.keys());
		found.problems.push({ path, message: `unknown model ${JSON.stringify(name)}${hint}` });
		return false;
	};
	for (const [index, router] of routers.entries()) {
		const path = `routers[${index}]`;
		claimId(ids, router.id, `${path}.id`, "router", found);
		const seen = new Set<string>();
		for (const [at, name] of (router.models ?? []).entries()) {
			if (checkModel(name, `${path}.models[${at}]`) && seen.has(name)) {
				const message = `duplicate: ${JSON.stringify(name)} is in this list already`;
				found.problems.push({ path: `${path}.models[${at}]`, message });
			}
			seen.add(name);
		}
		const { incumbent } = router;
		if (
			incumbent !== undefined &&
			checkModel(incumbent, `${path}.incumbent`) &&
			router.models &&
			!seen.has(incumbent)
		) {
			const message = `${JSON.stringify(incumbent)} is not among the router's models`;
			found.problems.push({ path: `${path}.incumbent`, message });
		}
		for (const name of router.models ?? known.keys()) {
			const model = known.get(name);
			if (!model || model.card !== undefined || !model.capabilities.some((each) => each !== "embeddings")) continue;
			const message = `the model ${JSON.stringify(name)} names no card: it is chosen only where no other can answer, until its quality has been learned`;
			found.warnings.push({ path, message });
		}
	}
}
