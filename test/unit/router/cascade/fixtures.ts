import * as fc from "fast-check";
import type { Judged } from "../../../../src/shared/router/cascade/judged.ts";
import type { Ladder, LadderTerms } from "../../../../src/shared/router/cascade/ladder.ts";
import type { Rung } from "../../../../src/shared/router/cascade/rung.ts";

export const quality = fc.double({ min: 0, max: 1, noNaN: true });

export function rung(model: string, part: Partial<Rung> = {}): Rung {
	return { model, quality: 0.75, usd: 0.0001, seconds: 1, outputTokens: NaN, ...part };
}

export const says = (key: string): Judged => ({ fault: null, key: { kind: "number", key }, told: null, tokens: null });
export const PROSE: Judged = { fault: null, key: null, told: null, tokens: null };
export const REFUSED: Judged = { ...PROSE, fault: "refusal" };

export const TERMS: LadderTerms = {
	valueOfQuality: 0.05,
	valueOfSecond: 0,
	accept: null,
	floor: 0,
	halfWidth: 0.1,
	firstScores: [],
	settledScores: [],
};
export const TOP = rung("top", { quality: 0.93, usd: 0.002, seconds: 5 });
export const LADDER: Ladder = {
	cheap: [rung("a", { quality: 0.79 }), rung("b", { quality: 0.7 })],
	top: TOP,
	verifier: null,
};
