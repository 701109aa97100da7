import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import type { GatewayOptions } from "../../support/gateway.ts";
import { catalogOf, poolOf, urlsOf } from "./catalog-of.ts";

/** What each model answers, by what the prompt holds. */
export const SAYS: Record<string, Record<string, string>> = {
	cheap: { easy: "The answer is 4.", hard: "The answer is 5.", json: "no", shy: "I cannot assist with that request." },
	other: { easy: "It is 4.00, so the answer is 4.00", hard: "The answer is 6.", json: "no", shy: "The answer is 1." },
	strong: { easy: "The answer is 4.", hard: "The answer is 7.", json: '{"n":7}', shy: "The answer is 2." },
	fourth: { easy: "The answer is 4.", hard: "The answer is 6." },
};
export const PRICES: Record<string, number> = { cheap: 0.1, other: 0.1, strong: 20, fourth: 0.1, judge: 0.1 };
export const NAMES = Object.keys(PRICES);

/** Two models of two replicas each, where a failed call is made again. */
export const TWINS = ["castor", "pollux"];

export const CASCADE_GATEWAY: GatewayOptions = {
	// Time has a price of its own; these are about money.
	key: { policy: { value_of_second_usd: 0, heartbeats: false } },
	settings: { heartbeatAfterSeconds: 0.2, heartbeatSeconds: 0.2 },
	replicas: [
		...NAMES.map((model) => ({
			name: `${model}/a`,
			model,
			speed: 0,
			says:
				model === "judge"
					? [
							{ to: "answer is 5", answer: '{"correct": false}' },
							{ to: "task", answer: '{"correct": true}' },
						]
					: Object.entries(SAYS[model]!).map(([to, answer]) => ({ to: `${to} one`, answer })),
		})),
		...TWINS.flatMap((model) => ["a", "b"].map((id) => ({ name: `${model}/${id}`, model, speed: 0 }))),
	],
	catalog: (urls): CatalogInput => ({
		...catalogOf(
			[...NAMES, ...TWINS].map((model) => {
				const usd = PRICES[model] ?? 1;
				return poolOf(model, model, urlsOf(urls, model), {
					// Nothing is expected to take long, so that little time is enough.
					rates: { prefill_tokens_per_second: 1e6, seconds_per_output_token: 0.001 },
					price: { per: "million_tokens", input: usd, output: usd },
				});
			}),
		),
		routers: [
			{
				id: "default",
				models: NAMES,
				incumbent: "strong",
				cascade: { models: ["cheap", "other", "strong"], accept: 0.8 },
				vote: { models: ["cheap", "other", "fourth", "strong"] },
			},
			{ id: "verified", models: NAMES, cascade: { models: ["cheap", "strong"], accept: 0.75, verifier: "judge" } },
			{ id: "twins", models: TWINS },
			{ id: "dear", models: NAMES, cascade: { models: ["strong", "other"] } },
		],
	}),
};
