import { assignRequest } from "../../support/assign-request.ts";
import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { catalogSchema } from "../../../src/shared/catalog/schema.ts";
import { buildSnapshot, type CatalogModel, type CatalogSnapshot } from "../../../src/shared/catalog/snapshot.ts";
import type { ChoiceRules, Judged } from "../../../src/shared/router/choice.ts";
import type { Option } from "../../../src/shared/router/options.ts";
import type { AssignPolicy, AssignRequest } from "../../../src/shared/scheduler/messages.ts";

export const POLICY: AssignPolicy = {
	valueOfSecond: 0.001,
	ttftGoal: 2,
	lateSecond: 0.01,
	priority: "standard",
	waitingMax: 30,
	regions: null,
	priceCeiling: null,
};

export function snapshotOf(catalog: CatalogInput): CatalogSnapshot {
	return buildSnapshot(1, catalogSchema.parse(catalog));
}

type ModelMore = Partial<Omit<CatalogInput["models"][number], "id">>;
type PoolMore = Partial<Omit<CatalogInput["pools"][number], "id" | "model" | "place">> & {
	readonly region?: string;
	readonly privacy?: "own" | "contract" | "public";
};

/** A model with a pool for each of `pools`, named after it and their position. */
export function modelWith(id: string, pools: readonly PoolMore[] = [{}], more: ModelMore = {}): CatalogModel {
	const catalog: CatalogInput = {
		models: [{ id, context_length: 100_000, capabilities: ["chat", "completions", "tools", "json"], ...more }],
		pools: pools.map(({ region = "near", privacy, ...pool }, index) => ({
			id: `${id}-${index}`,
			model: id,
			engine: "openai" as const,
			place: { provider: "test", region, round_trip_ms: 1, ...(privacy && { privacy }) },
			price: { per: "million_tokens" as const, input: 1, output: 1 },
			rates: { prefill_tokens_per_second: 10_000, seconds_per_output_token: 0.01 },
			replicas: [{ id: "a", url: `https://${id}-${index}.example.com` }],
			...pool,
		})),
	};
	return snapshotOf(catalog).models.get(id)!;
}

export const NO_TERMS = { money: 0, congestion: 0, time: 0, late: 0, harm: 0 };

/** An option of a model of which only dollars and seconds matter. */
export function judged(
	id: string,
	quality: number,
	usd: number,
	more: { standardError?: number; shadow?: boolean; seconds?: number; busy?: boolean; model?: ModelMore } = {},
): Judged {
	const { standardError = 0.02, shadow = false, seconds = 1, busy = false } = more;
	const option: Option = {
		model: modelWith(id, [{}], more.model),
		pool: `${id}-0`,
		zone: "public",
		usd,
		seconds,
		outputTokens: 100,
		terms: { ...NO_TERMS, money: usd, time: 0.001 * seconds },
		busy,
	};
	return { option, quality: { quality, standardError, shadow, card: shadow ? null : quality } };
}

export const RULES_OF_CHOICE: ChoiceRules = {
	qualityUsd: 0.05,
	floor: 0,
	weights: {},
	incumbent: null,
	conversation: null,
	isJudged: true,
	today: Date.parse("2026-11-28"),
	chance: { share: 0, u: 0 },
};

export function question(more: Partial<AssignRequest> = {}): AssignRequest {
	return assignRequest({ reservation: "r", model: "m", outputTokensMax: 1_000, choiceTokensMax: 1_000, ...more });
}
