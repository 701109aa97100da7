import type { PolicySpec, Variant } from "./policy.ts";
import { subsetsOf } from "./subsets.ts";
import { WarmFirst, WHEN_COLD } from "./warm-first.ts";
import type { Fleet } from "../fleet.ts";

/** Of RunPod, Knative and Hugging Face; null: each pool's provider's own. */
const DEFAULTS = [null, 5, 60, 3_600] as const;
/** What one who tunes would try. */
const TUNED = [0, 20, 120, 300, 900, 7_200] as const;

/** Boxes are gone after the time-outs that providers have by default. */
export const defaultTimeouts: PolicySpec = {
	id: "default_timeouts",
	title: "provider default time-outs",
	variants: (fleet) => variantsOf(fleet, DEFAULTS),
};

/** One time-out for all boxes. */
export const fixedTimeout: PolicySpec = {
	id: "fixed_timeout",
	title: "one fixed time-out, tuned",
	variants: (fleet) => variantsOf(fleet, TUNED),
};

function variantsOf(fleet: Fleet, timeouts: readonly (number | null)[]): Variant[] {
	const subsets = subsetsOf(fleet).slice(1);
	return timeouts.flatMap((timeout) =>
		WHEN_COLD.flatMap(({ title: coldTitle, ...whenCold }) =>
			subsets.map(({ title, has }): Variant => ({
				title: `${timeout === null ? "own" : `${timeout} s`}, ${coldTitle}, ${title}`,
				create: (world) => {
					const router = new WarmFirst(world, { uses: has, whenCold });
					if (timeout !== null) for (const box of router.scaling) box.idleTimeout = timeout;
					return router;
				},
			})),
		),
	);
}
