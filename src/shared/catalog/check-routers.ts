import { claimId, type Findings } from "./checks.ts";
import { didYouMean } from "./nearest-names.ts";
import { LIST_ROUTER } from "./router-names.ts";
import type { Router } from "./routers.ts";
import type { Catalog, Model } from "./schema.ts";

/** Routers against the models of their catalog. */
export function checkRouters({ models, routers = [] }: Catalog, found: Findings): void {
	const known = new Map(models.map((model) => [model.id, model]));
	const aliases = new Map(models.flatMap(({ id, aliases: names }) => names.map((name) => [name, id] as const)));
	const ids = new Map<string, string>();
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
		if (router.id === LIST_ROUTER) {
			const message = `${JSON.stringify(LIST_ROUTER)} is taken: it is the router of requests that list their models`;
			found.problems.push({ path: `${path}.id`, message });
		}
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
		checkModes(
			router,
			path,
			(name, at) => {
				if (!checkModel(name, at) || !router.models || seen.has(name)) return;
				found.problems.push({ path: at, message: `${JSON.stringify(name)} is not among the router's models` });
			},
			found,
		);
		if (router.judge !== undefined && checkModel(router.judge, `${path}.judge`) && !canChat(known.get(router.judge))) {
			const message = `${JSON.stringify(router.judge)} cannot chat, so it cannot be asked for a verdict`;
			found.problems.push({ path: `${path}.judge`, message });
		}
		for (const name of router.models ?? known.keys()) {
			const model = known.get(name);
			if (!model || model.card !== undefined || !model.capabilities.some((each) => each !== "embeddings")) continue;
			const message = `the model ${JSON.stringify(name)} names no card: it is chosen only where no other can answer, until its quality has been learned`;
			found.warnings.push({ path, message });
		}
	}
}

/** The models that cascades and votes name, and the ids of rules. */
function checkModes(
	{ cascade, vote, rules = [] }: Router,
	path: string,
	checkNamed: (name: string, at: string) => void,
	found: Findings,
): void {
	for (const [at, name] of (cascade?.models ?? []).entries()) {
		checkNamed(name, `${path}.cascade.models[${at}]`);
		if (cascade!.models!.indexOf(name) < at) {
			const message = `duplicate: ${JSON.stringify(name)} is in this ladder already`;
			found.problems.push({ path: `${path}.cascade.models[${at}]`, message });
		}
	}
	if (cascade?.verifier !== undefined) checkNamed(cascade.verifier, `${path}.cascade.verifier`);
	for (const [at, name] of (vote?.models ?? []).entries()) checkNamed(name, `${path}.vote.models[${at}]`);
	const ids = new Map<string, string>();
	for (const [at, { id }] of rules.entries()) claimId(ids, id, `${path}.rules[${at}].id`, "rule", found);
}

function canChat(model: Model | undefined): boolean {
	return model?.capabilities.includes("chat") ?? false;
}
