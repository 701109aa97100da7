import * as z from "zod";
import { cacheSchema, cascadeSchema, rulesSchema, voteSchema } from "./router-modes.ts";
import { QUALITY_USD } from "../objective/defaults.ts";
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
});
export type Router = z.infer<typeof routerSchema>;
