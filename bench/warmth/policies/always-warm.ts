import type { PolicySpec } from "./policy.ts";
import { subsetsOf } from "./subsets.ts";
import { WarmFirst } from "./warm-first.ts";

/** Some boxes are always up, the others never; what they have no room for goes to the API. With none, the API alone. */
export const alwaysWarm: PolicySpec = {
	id: "always_warm",
	title: "always warm",
	variants: (fleet) =>
		subsetsOf(fleet).map(({ title, has }) => ({
			title,
			create: (world) => {
				const router = new WarmFirst(world, { uses: has, whenCold: { kind: "spill", after: Infinity } });
				for (const box of router.scaling) {
					box.idleTimeout = Infinity;
					box.wake();
				}
				return router;
			},
		})),
};
