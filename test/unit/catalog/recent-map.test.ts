import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RecentMap } from "../../../src/shared/catalog/recent-map.ts";

test("holds at most its maximum, and what it holds is what was last set", () => {
	const steps = fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat()), { maxLength: 200 });
	fc.assert(
		fc.property(fc.integer({ min: 2, max: 20 }), steps, (max, all) => {
			const map = new RecentMap<number, number>(max);
			const model = new Map<number, number>();
			for (const [key, value] of all) {
				map.set(key, value);
				model.set(key, value);
				let held = 0;
				for (const [each, last] of model) {
					if (!map.has(each)) continue;
					held++;
					// Only the one just set: `get` counts as a use.
					if (each === key) expect(map.get(each)).toBe(last);
				}
				expect(held).toBeLessThanOrEqual(max);
			}
			for (const [key, last] of model) if (map.has(key)) expect(map.get(key)).toBe(last);
		}),
	);
});

test("what is used stays while others come and go", () => {
	const map = new RecentMap<string, number>(10);
	map.set("used", 1);
	for (let index = 0; index < 1_000; index++) {
		map.set(`other ${index}`, index);
		if (index % 4 === 0) expect(map.get("used")).toBe(1);
	}
	expect(map.has("other 0")).toBe(false);
	map.clear();
	expect(map.get("used")).toBeUndefined();
});
