import * as z from "zod";
import { QUALITY_USD } from "../objective/defaults.ts";

/** How far a prompt goes from the operator: to hardware of its own, to a provider with whom there is a contract about what it may
 *  do with it, to anybody. A pool that says nothing is taken as the last. */
export const PRIVACY_ZONES = ["own", "contract", "public"] as const;
export type PrivacyZone = (typeof PRIVACY_ZONES)[number];

/** Models that a router, or a request, may name. */
export const ROUTER_MODELS_MAX = 64;

/** Ids that no router of a catalog may have: routers that a request makes up go by them. */
export const LIST_ROUTER = "list";
export const DEFAULT_ROUTER = "default";

const usdPerUnit = z.number().min(0).max(1_000);

/** What counts besides the quality of the answer. `cost` and `latency` multiply dollars and the value of a second; the others are
 *  USD per unit: 10^9 parameters, a year of age, a step of privacy zone, 1,000 expected output tokens. */
export const routeWeightsSchema = z
	.strictObject({
		cost: z.number().min(0.01).max(100),
		latency: z.number().min(0).max(100),
		size: usdPerUnit,
		recency: usdPerUnit,
		privacy: usdPerUnit,
		verbosity: usdPerUnit,
	})
	.partial();
export type RouteWeights = z.infer<typeof routeWeightsSchema>;

export const licencesSchema = z.array(z.string().min(1).max(64)).min(1).max(64);
export const qualityUsdSchema = z.number().min(0).max(1_000);
export const qualityFloorSchema = z.number().min(0).max(1);

const modelName = z.string().min(1).max(128);

/** Chooses among models for requests that leave that open. */
export const routerSchema = z.strictObject({
	id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -"),
	/** Ids. Absent: every model of the catalog. */
	models: z.array(modelName).min(1).max(ROUTER_MODELS_MAX).optional(),
	/** The model that answers unless another is better beyond the noise of the estimate, and where nothing is known of a prompt. */
	incumbent: modelName.optional(),
	/** v_quality: what it costs when an answer is wrong that the best model would have got right, in USD. */
	quality_usd: qualityUsdSchema.default(QUALITY_USD),
	/** Models whose expected quality is below this share of the best one's are no candidates. */
	quality_floor: qualityFloorSchema.optional(),
	weights: routeWeightsSchema.optional(),
	/** Models under other licences, or of which none is known, are no candidates. */
	licences: licencesSchema.optional(),
});
export type Router = z.infer<typeof routerSchema>;
