import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isobarError } from "../../../src/shared/http/errors.ts";
import { asAsked, readControls } from "../../../src/shared/router/controls.ts";
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
			const controls = {
				...header,
				...body,
				weights: { ...header.weights, ...body.weights },
				require: { ...header.require, ...body.require },
			};
			expect(read).toMatchObject({ ok: true, value: { controls } });
		}),
	);
});

test("an error names the header where that alone has set what it is about", () => {
	const read = readControls('{"max_usd":1,"max_calls":2,"require":{"regions":["x"],"privacy":"own"}}', {
		max_calls: 3,
		require: { privacy: "own" },
	});
	if (!read.ok) throw new Error(read.error.message);
	const named = (path: string) => asAsked(isobarError("constraint_unmet", "", { param: path }), read.value).param;
	expect(named("isobar.route.max_usd")).toBe("x-isobar-route.max_usd");
	expect(named("isobar.route.require.regions")).toBe("x-isobar-route.require.regions");
	for (const path of ["isobar.route.max_calls", "isobar.route.require.privacy", "isobar.route.max_seconds", "model"])
		expect(named(path)).toBe(path);
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
