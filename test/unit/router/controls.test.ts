import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readControls } from "../../../src/shared/router/controls.ts";
import { routerFor } from "../../../src/shared/router/route-plan.ts";

const unit = fc.double({ min: 0.01, max: 1, noNaN: true, noDefaultInfinity: true });
const some = <T>(of: Record<string, fc.Arbitrary<T>>) => fc.record(of, { requiredKeys: [] });
const controls = fc.record(
	{
		quality_floor: unit,
		quality_usd: unit,
		max_seconds: unit,
		weights: some({ cost: unit, latency: unit, size: unit }),
		require: some<unknown>({ licences: fc.constant(["MIT"]), price_ceiling_usd: unit }),
	},
	{ requiredKeys: [] },
);

test("the body's fields go before the header's, one by one, within weights and constraints too", () => {
	fc.assert(
		fc.property(controls, controls, (header, body) => {
			const read = readControls(JSON.stringify(header), body);
			expect(read).toEqual({
				ok: true,
				value: {
					...header,
					...body,
					weights: { ...header.weights, ...body.weights },
					require: { ...header.require, ...body.require },
				},
			});
		}),
	);
});

describe("a router as a request wants it", () => {
	const router = { id: "r", quality_usd: 0.1, weights: { size: 1, cost: 2 }, licences: ["MIT", "Apache-2.0"] };

	test("has the request's values where it names some, and the licences that both allow", () => {
		const wanted = { quality_usd: 0.2, weights: { size: 3 }, require: { licences: ["MIT", "BSD"] } };
		expect(routerFor(router, wanted)).toMatchObject({
			quality_usd: 0.2,
			weights: { size: 3, cost: 2 },
			licences: ["MIT"],
		});
		expect(routerFor(router, {})).toEqual(router);
		expect(routerFor({ id: "r", quality_usd: 1 }, { require: { licences: ["BSD"] } }).licences).toEqual(["BSD"]);
	});
});
