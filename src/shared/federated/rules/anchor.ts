import * as z from "zod";
import type { Coefficients, UpdateFacts } from "./rule.ts";

/** From where the way to a client's model is measured. `base`: from the version it trained on, which is the update as sent.
 *  `current`: from the version that the flush starts from, which adds `base - current` to it. */
export const anchorSchema = z.enum(["base", "current"]);
export type Anchor = z.output<typeof anchorSchema>;

/** Adds what the anchor asks for; versions in ascending order. */
export function anchored(anchor: Anchor, updates: readonly UpdateFacts[], coefficients: Float64Array): Coefficients {
	const bases = new Map<number, number>();
	if (anchor === "current") {
		for (const [i, { base, staleness }] of updates.entries()) {
			if (staleness > 0) bases.set(base, (bases.get(base) ?? 0) + coefficients[i]!);
		}
	}
	return { updates: coefficients, bases: [...bases].sort(([a], [b]) => a - b) };
}
