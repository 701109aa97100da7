import * as z from "zod";
import { lazy } from "../lazy.ts";

const usdPerUnit = () => z.number().min(0).max(1_000);

/** What counts besides the quality of the answer. `cost` and `latency` multiply dollars and the value of a second; the others are
 *  USD per unit: 10^9 parameters, a year of age, a step of privacy zone, 1,000 expected output tokens. */
export const routeWeightsSchema = lazy(() =>
	z
		.strictObject({
			cost: z.number().min(0.01).max(100),
			latency: z.number().min(0).max(100),
			size: usdPerUnit(),
			recency: usdPerUnit(),
			privacy: usdPerUnit(),
			verbosity: usdPerUnit(),
		})
		.partial(),
);
export type RouteWeights = z.infer<ReturnType<typeof routeWeightsSchema>>;

export const licencesSchema = lazy(() => z.array(z.string().min(1).max(64)).min(1).max(64));
export const qualityUsdSchema = lazy(() => z.number().min(0).max(1_000));
export const qualityFloorSchema = lazy(() => z.number().min(0).max(1));
