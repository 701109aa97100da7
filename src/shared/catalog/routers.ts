import * as z from "zod";
import { cacheSchema, cascadeSchema, rulesSchema, voteSchema } from "./router-modes.ts";
import { QUALITY_USD } from "../objective/defaults.ts";
import { EXPLORE_SHARE_MAX } from "../router/explore.ts";
import { SHADOW_SHARE_MAX } from "../router/shadow.ts";
import { licencesSchema, qualityFloorSchema, qualityUsdSchema, routeWeightsSchema } from "./route-fields.ts";
import { ROUTER_MODELS_MAX } from "./router-names.ts";

const modelName = z.string().min(1).max(128);

/** Chooses among models for requests that leave that open. */
export const routerSchema = z.strictObject({
	id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -"),
	/** Ids. Absent: every model of the catalog. */
	models: z.array(modelName).min(1).max(ROUTER_MODELS_MAX).optional(),
	/** The model that answers unless another is better beyond the noise of the estimate, and where nothing is known of a prompt. */
	incumbent: modelName.optional(),
	/** v_quality: what it costs when an answer is wrong that the best model would have got right, in USD. */
	quality_usd: qualityUsdSchema().default(QUALITY_USD),
	/** Models whose expected quality is below this share of the best one's are no candidates. */
	quality_floor: qualityFloorSchema().optional(),
	weights: routeWeightsSchema().optional(),
	/** Models under other licences, or of which none is known, are no candidates. */
	licences: licencesSchema().optional(),
	cascade: cascadeSchema().optional(),
	vote: voteSchema().optional(),
	/** Absent: only of requests that ask for it. */
	cache: cacheSchema().optional(),
	/** The first whose conditions the prompt meets is a candidate of price zero. */
	rules: rulesSchema().optional(),
	/** Share of the requests whose model is drawn among those that may be the best, so that something is learned of all of them. */
	explore_share: z.number().min(0).max(EXPLORE_SHARE_MAX).optional(),
	/** Prompts that a second model answers too, unseen by the client and paid by the tenant, so that two answers can be compared. */
	shadow: z
		.strictObject({
			share: z.number().min(0).max(SHADOW_SHARE_MAX),
			/** Of each tenant, UTC days. Never exceeded: what a request may cost at worst is held before it is sent. */
			budget_usd_per_day: z.number().positive().max(10_000),
		})
		.optional(),
	/** The model that grades both answers of a pair. Absent: they are compared where a client grades them. */
	judge: modelName.optional(),
});
export type Router = z.infer<typeof routerSchema>;
