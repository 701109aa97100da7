import type { NanoUsd } from "../units.ts";

/** The most of a router's requests that may be sent to a second model. */
export const SHADOW_SHARE_MAX = 0.02;

/** The second model of a pair. */
export interface ShadowDraw {
	readonly model: string;
	/** P(this one | a pair was drawn): the first answer's would have been 1. */
	readonly propensity: number;
}

/** With probability `share` a second model for a prompt that `first` answers, drawn evenly from all others that may answer it, those
 *  that are not to be chosen yet among them. `u` is uniform in [0, 1) and the only chance in it. */
export function drawShadow(models: readonly string[], first: string, share: number, u: number): ShadowDraw | null {
	if (!(u < share)) return null;
	const others = models.filter((model) => model !== first);
	if (others.length === 0) return null;
	const drawn = Math.min(others.length - 1, Math.floor((u / share) * others.length));
	return { model: others[drawn]!, propensity: 1 / others.length };
}

/** What shadow requests of one UTC day have cost or hold. */
export interface ShadowSpending {
	readonly settled: NanoUsd;
	readonly held: NanoUsd;
}

/** Whether one more that costs `worst` at most stays within the day's budget, whatever the others come to cost. */
export function mayShadow({ settled, held }: ShadowSpending, worst: NanoUsd, budget: NanoUsd): boolean {
	return settled + held + worst <= budget;
}
