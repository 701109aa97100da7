import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PRIVACY_ZONES } from "../../../src/shared/catalog/router-names.ts";
import { barredBy } from "../../../src/shared/scheduler/barred.ts";
import { modelWith } from "../router/support.ts";

const zone = fc.constantFrom(...PRIVACY_ZONES);
const region = fc.constantFrom("eu", "us");

test("a policy bars a pool by its region, its zone or its context, and says by which", () => {
	const policy = fc.record({
		regions: fc.option(fc.uniqueArray(region)),
		privacy: fc.option(zone, { nil: undefined }),
		contextMin: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined }),
	});
	const length = fc.integer({ min: 1, max: 20_000 });
	fc.assert(
		fc.property(policy, region, fc.option(zone, { nil: undefined }), length, (wanted, place, own, context) => {
			const pools = [{ region: place, ...(own && { privacy: own }), context_length: context }];
			const [pool] = modelWith("m", pools).pools;
			const isPrivate = (limit: string): boolean =>
				limit === "public" || own === "own" || (limit === "contract" && own === "contract");
			const broken = [
				...(wanted.regions && !wanted.regions.includes(place) ? ["region"] : []),
				...(wanted.privacy && !isPrivate(wanted.privacy) ? ["privacy"] : []),
				...(wanted.contextMin !== undefined && context < wanted.contextMin ? ["context"] : []),
			];
			const { regions, privacy, contextMin } = wanted;
			const barred = barredBy(
				{ regions, ...(privacy && { privacy }), ...(contextMin !== undefined && { contextMin }) },
				pool!,
			);
			expect(barred).toBe(broken[0] ?? null);
			expect(barredBy({ regions: null, barredPools: ["other", pool!.id] }, pool!)).toBe("max_usd");
			expect(barredBy({ regions: null, barredPools: ["other"] }, pool!)).toBeNull();
		}),
	);
});
