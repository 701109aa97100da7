import { didYouMean } from "./nearest-names.ts";
import type { Problem } from "./problems.ts";
import { checkScaleToZero } from "./check-scale-to-zero.ts";
import { baseUrlOf, isOpenHttp, replicaUrlProblem } from "./replica-url.ts";
import { GLOBAL_GROUP } from "./region-groups.ts";
import type { Model, Pool, RegionGroup } from "./schema.ts";

/** What a catalog is checked against besides itself. */
export interface CatalogContext {
	/** Hosts (`name[:port]`) under which the gateway itself is reached. */
	readonly ownHosts: readonly string[];
	readonly hasSecret: (name: string) => boolean;
	/** Whether a secret that is set can be sent in a header. */
	readonly isSendable: (name: string) => boolean;
	/** Whether there is a performance profile for this GPU type. */
	readonly knownGpu: (name: string) => boolean;
}

/** The models and pools of a catalog, each with its place in the document. */
export interface CatalogParts {
	readonly models: readonly (readonly [index: number, model: Model])[];
	readonly pools: readonly (readonly [index: number, pool: Pool])[];
	/** Ids of models that are there but could not be read: a pool that names one is not to blame. */
	readonly unreadable: readonly string[];
}

export interface Findings {
	readonly problems: Problem[];
	/** Kept apart: a catalog whose only fault these are is right, and the deployment is not. */
	readonly missingSecrets: Problem[];
	readonly warnings: Problem[];
}

/** The name that lets the router choose; `auto:ID` names one. */
export const ROUTER_NAME = "auto";

/** The gateway's own variables. As a pool's credential they would be sent to the pool. */
const OWN_SECRETS: ReadonlySet<string> = new Set(["ADMIN_TOKEN", "SETTINGS"]);

/** Names that mean two things, and models that contradict themselves. */
export function checkModels(models: CatalogParts["models"], { problems }: Findings): void {
	const names = new Map<string, string>();
	const claim = (name: string, path: string) => {
		const before = names.get(name);
		if (before) problems.push({ path, message: `duplicate name ${JSON.stringify(name)}: it is ${before} already` });
		else if (name === ROUTER_NAME || name.startsWith(`${ROUTER_NAME}:`))
			problems.push({ path, message: `${JSON.stringify(name)} is reserved: it lets a router choose a model` });
		else names.set(name, path);
	};
	for (const [index, model] of models) claim(model.id, `models[${index}].id`);
	for (const [index, model] of models) {
		const path = `models[${index}]`;
		for (const [at, alias] of model.aliases.entries()) claim(alias, `${path}.aliases[${at}]`);
		if (model.default_max_tokens !== undefined && model.default_max_tokens > model.context_length) {
			problems.push({
				path: `${path}.default_max_tokens`,
				message: `more than context_length (${model.context_length})`,
			});
		}
		const { parameters_billion: all, active_parameters_billion: active } = model;
		if (all !== undefined && active !== undefined && active > all) {
			problems.push({ path: `${path}.active_parameters_billion`, message: `more than parameters_billion (${all})` });
		}
	}
}

type Context = Omit<CatalogContext, "ownHosts"> & { readonly ownHosts: ReadonlySet<string> };

/** Pools against their models, the secrets and GPU types of the deployment, and one another. */
export function checkPools(parts: CatalogParts, context: Context, found: Findings): void {
	const models = new Map(parts.models.map(([, model]) => [model.id, model]));
	const aliases = new Map(parts.models.flatMap(([, model]) => model.aliases.map((alias) => [alias, model.id])));
	const ids = new Map<string, string>();
	const served = new Set<string>();
	const urls = new Map<string, string>();
	const hosts = new Map<string, string>();

	for (const [index, pool] of parts.pools) {
		const path = `pools[${index}]`;
		claimId(ids, pool.id, `${path}.id`, "pool", found);
		served.add(pool.model);
		const model = models.get(pool.model);
		if (model) checkAgainstModel(pool, model, path, found);
		else if (!parts.unreadable.includes(pool.model)) {
			const id = aliases.get(pool.model);
			const hint = id ? `; it is an alias, use the id ${JSON.stringify(id)}` : didYouMean(pool.model, models.keys());
			found.problems.push({ path: `${path}.model`, message: `unknown model ${JSON.stringify(pool.model)}${hint}` });
		}
		checkDeployment(pool, path, context, found);
		checkReplicas(pool, path, context, { urls, hosts }, found);
	}
	for (const [index, model] of parts.models) {
		if (!served.has(model.id))
			found.warnings.push({ path: `models[${index}]`, message: `no pool serves ${JSON.stringify(model.id)}` });
	}
}

function checkAgainstModel(pool: Pool, model: Model, path: string, { problems, warnings }: Findings): void {
	if (pool.context_length !== undefined && pool.context_length > model.context_length) {
		problems.push({
			path: `${path}.context_length`,
			message: `longer than that of model ${JSON.stringify(model.id)} (${model.context_length})`,
		});
	}
	for (const [at, capability] of (pool.capabilities ?? []).entries()) {
		if (model.capabilities.includes(capability)) continue;
		problems.push({
			path: `${path}.capabilities[${at}]`,
			message: `model ${JSON.stringify(model.id)} does not have the capability ${JSON.stringify(capability)}`,
		});
	}
	const { price } = pool;
	const generates = (pool.capabilities ?? model.capabilities).some((capability) => capability !== "embeddings");
	const free = (field: string) =>
		warnings.push({
			path: `${path}.price.${field}`,
			message: "the price is 0: the pool looks free and attracts all traffic",
		});
	if (price.per === "million_tokens") {
		if (price.input === 0) free("input");
		if (price.output === 0 && generates) free("output");
	} else if (price.usd === 0) free("usd");
}

function checkDeployment(pool: Pool, path: string, context: Context, found: Findings): void {
	if (pool.gpu && !context.knownGpu(pool.gpu.type)) {
		const message = `unknown GPU type ${JSON.stringify(pool.gpu.type)}: until its speed is learned, a guess is used`;
		found.warnings.push({ path: `${path}.gpu.type`, message });
	}
	for (const field of ["secret", "events_secret"] as const)
		checkSecret(pool[field], `${path}.${field}`, context, found);
	if (pool.events_secret !== undefined && pool.events_secret === pool.secret) {
		const message = `${pool.secret} is sent to the pool as its credential; events need a key of their own`;
		found.problems.push({ path: `${path}.events_secret`, message });
	}
	checkSecret(pool.scale_to_zero?.secret, `${path}.scale_to_zero.secret`, context, found);
	checkScaleToZero(pool, `${path}.scale_to_zero`, context.ownHosts, found);
}

function checkSecret(name: string | undefined, path: string, context: Context, found: Findings): void {
	if (name === undefined) return;
	if (OWN_SECRETS.has(name)) {
		found.problems.push({ path, message: `${name} is the gateway's own and is not sent to pools` });
	} else if (!context.hasSecret(name)) {
		const message = `the secret ${name} is not set; set it with: wrangler secret put ${name} (for npm start: a line ${name}=… in .dev.vars, and start again)`;
		found.missingSecrets.push({ path, message });
	} else if (!context.isSendable(name)) {
		const message = `the secret ${name} holds what no header may: a line break or a character outside ASCII`;
		found.problems.push({ path, message });
	}
}

/** What would put a pool or an edge into two groups. */
export function checkRegionGroups(groups: readonly RegionGroup[], found: Findings): void {
	const ids = new Map([[GLOBAL_GROUP, "the group of all others"]]);
	const claimed = new Map<string, string>();
	for (const [index, group] of groups.entries()) {
		const path = `region_groups[${index}]`;
		claimId(ids, group.id, `${path}.id`, "region group", found);
		for (const list of ["regions", "continents", "colos"] as const) {
			for (const [at, name] of group[list].entries()) {
				const before = claimed.get(`${list} ${name}`);
				if (before)
					found.problems.push({
						path: `${path}.${list}[${at}]`,
						message: `${JSON.stringify(name)} is in ${before} already`,
					});
				else claimed.set(`${list} ${name}`, path);
			}
		}
	}
}

interface Seen {
	/** Base URL and the model's name there. */
	readonly urls: Map<string, string>;
	/** Base URL alone, of pools whose load we count ourselves. */
	readonly hosts: Map<string, string>;
}

function checkReplicas(pool: Pool, path: string, context: Context, seen: Seen, found: Findings): void {
	const ids = new Map<string, string>();
	for (const [index, replica] of pool.replicas.entries()) {
		const at = `${path}.replicas[${index}]`;
		claimId(ids, replica.id, `${at}.id`, "replica", found);
		const problem = replicaUrlProblem(replica.url, context.ownHosts);
		if (problem !== null) {
			found.problems.push({ path: `${at}.url`, message: problem });
			continue;
		}
		checkShared(pool, baseUrlOf(replica.url), `${at}.url`, seen, found);
		if (pool.secret !== undefined && isOpenHttp(replica.url)) {
			found.warnings.push({ path: `${at}.url`, message: `sends the secret ${pool.secret} unencrypted (http)` });
		}
	}
}

/** The same model at the same URL twice is one replica counted twice. Different models at one URL are what a commercial API
 *  is; on GPUs of our own it means that each is scheduled without knowledge of the other's load. */
function checkShared(
	pool: Pool,
	url: string,
	path: string,
	{ urls, hosts }: Seen,
	{ problems, warnings }: Findings,
): void {
	const upstream = pool.upstream_model ?? pool.model;
	const same = urls.get(`${url} ${upstream}`);
	const shared = hosts.get(url);
	if (same) problems.push({ path, message: `duplicate URL: ${same} is the same replica` });
	else if (shared && pool.engine !== "openai") {
		warnings.push({ path, message: `shares its server with ${shared}; the load of each is counted apart` });
	}
	if (!same) urls.set(`${url} ${upstream}`, path);
	if (!shared) hosts.set(url, path);
}

export function claimId(
	ids: Map<string, string>,
	id: string,
	path: string,
	what: string,
	{ problems }: Findings,
): void {
	const before = ids.get(id);
	if (before) problems.push({ path, message: `duplicate ${what} id ${JSON.stringify(id)}: it is ${before} already` });
	else ids.set(id, path);
}
