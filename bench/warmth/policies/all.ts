import { alwaysWarm } from "./always-warm.ts";
import { cheapestFirst, fastest } from "./blind.ts";
import { hybridHistogram } from "./hybrid-histogram.ts";
import { isobar } from "./isobar.ts";
import type { PolicySpec } from "./policy.ts";
import { defaultTimeouts, fixedTimeout } from "./timeouts.ts";

export const OURS = isobar;
export const BASELINES: readonly PolicySpec[] = [
	alwaysWarm,
	defaultTimeouts,
	fixedTimeout,
	hybridHistogram,
	cheapestFirst,
	fastest,
];
export const POLICIES: readonly PolicySpec[] = [OURS, ...BASELINES];
