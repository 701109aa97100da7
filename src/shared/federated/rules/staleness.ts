import * as z from "zod";

/** How much a stale update counts; 1 where it is not stale. `u` is its staleness in versions.
 *  `constant` 1; `polynomial` (1 + u)^-exponent, FedBuff's with 0.5; `hinge` 1 while u <= after, then
 *  1 / (slope (u - after) + 1) (FedAsync: Xie et al. 2019, arXiv 1903.03934); `nvflare` 1 / (1 + sqrt u). */
export const stalenessSchema = z.discriminatedUnion("kind", [
	z.strictObject({ kind: z.literal("constant") }),
	z.strictObject({ kind: z.literal("polynomial"), exponent: z.number().min(0).max(10).default(0.5) }),
	z.strictObject({
		kind: z.literal("hinge"),
		after: z.number().min(0).max(1_000_000).default(4),
		slope: z.number().positive().max(1_000).default(10),
	}),
	z.strictObject({ kind: z.literal("nvflare") }),
]);
export type Staleness = z.output<typeof stalenessSchema>;

export function stalenessWeight(law: Staleness, u: number): number {
	switch (law.kind) {
		case "constant":
			return 1;
		case "polynomial":
			return (1 + u) ** -law.exponent;
		case "hinge":
			return u <= law.after ? 1 : 1 / (law.slope * (u - law.after) + 1);
		case "nvflare":
			return 1 / (1 + Math.sqrt(u));
	}
}
