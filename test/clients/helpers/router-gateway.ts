import { rm } from "node:fs/promises";
import { afterAll } from "vitest";
import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import type { RouteExplanation } from "../../../src/shared/router/explanation.ts";
import { ARITHMETIC, PROSE, routerAssets } from "../../support/router-weights.ts";
import type { GatewayOptions } from "../../support/gateway.ts";
import { catalogOf, poolOf, urlsOf } from "./catalog-of.ts";
import { startTestGateway, type Answered, type TestGateway } from "./test-gateway.ts";

/** As the weights of the tests have it: `strong` answers everything, `small` writes well and cannot reckon, `weak` can do neither.
 *  Nobody knows of `unknown`. */
export const ROUTED_FLEET = [
	{ name: "small/a", model: "small-upstream", speed: 0 },
	{ name: "small-far/a", model: "small-upstream", speed: 0 },
	{ name: "strong/a", model: "strong", speed: 0 },
	{ name: "weak/a", model: "weak", speed: 0 },
	{ name: "unknown/a", model: "unknown", speed: 0 },
];

export function routedCatalog(urls: ReadonlyMap<string, string>): CatalogInput {
	const pool = (id: string, model: string, input: number, output: number, more = {}) => {
		const price = { per: "million_tokens" as const, input, output, cached_input: input / 10 };
		return poolOf(id, model, urlsOf(urls, id), { price, ...more });
	};
	const place = (privacy: "own" | "contract", region = "near") => ({
		place: { provider: "test", region, round_trip_ms: 1, privacy },
	});
	return {
		...catalogOf(
			[
				pool("small", "small", 0.2, 0.4, { upstream_model: "small-upstream", ...place("own") }),
				pool("small-far", "small", 0.3, 0.6, { upstream_model: "small-upstream" }),
				pool("strong", "strong", 20, 60, { max_concurrency: 2, ...place("contract") }),
				pool("weak", "weak", 0.1, 0.2, { max_concurrency: 2 }),
				pool("unknown", "unknown", 0.1, 0.1),
			],
			{
				small: { card: "small", licence: "Apache-2.0", parameters_billion: 8, released: "2024-07-23" },
				strong: { card: "strong", licence: "proprietary", parameters_billion: 400 },
				weak: {
					card: "weak",
					capabilities: ["chat", "completions"],
					context_length: 8_192,
					parameters_billion: 70,
				},
				unknown: {},
			},
		),
		routers: [
			{ id: "default", models: ["strong", "small", "weak"] },
			{ id: "safe", models: ["strong", "small", "weak"], incumbent: "small" },
			{ id: "open", models: ["strong", "small", "weak"], licences: ["Apache-2.0"] },
			{ id: "private", weights: { privacy: 1 } },
		],
	};
}

export type RoutedRecord = Answered & { readonly route: RouteExplanation };

export interface RouterGateway extends TestGateway {
	/** The record of a routed request. */
	readonly routed: (answer: Response) => Promise<RoutedRecord>;
	/** Asks a model, a router or a list of models, with controls. */
	readonly ask: (model: unknown, content: string, route?: object, more?: object) => Promise<Response>;
}

export async function startRouterGateway(options: GatewayOptions = {}): Promise<RouterGateway> {
	const assets = options.assets ?? (await routerAssets());
	afterAll(() => rm(assets, { recursive: true, force: true }));
	const gateway = await startTestGateway({ replicas: ROUTED_FLEET, catalog: routedCatalog, ...options, assets });
	return {
		...gateway,
		routed: async (answer) => (await gateway.record(answer)) as RoutedRecord,
		ask: (model, content, route, more = {}) => {
			const messages = [{ role: "user", content }];
			return gateway.post("/chat/completions", { model, messages, ...(route && { isobar: { route } }), ...more });
		},
	};
}

export { ARITHMETIC, PROSE };
