import type { Box } from "../box.ts";
import type { Fleet } from "../fleet.ts";

/** Boxes that scale to zero, by index in the fleet. */
export interface Subset {
	readonly title: string;
	readonly has: (box: Box) => boolean;
}

/** Title of the subset that has none. */
export const NO_BOX = "none";

/** Every choice of boxes that scale to zero, none at all among them. */
export function subsetsOf({ pools }: Fleet): readonly Subset[] {
	const scaling = pools.flatMap(({ zero }, index) => (zero ? [index] : []));
	return Array.from({ length: 2 ** scaling.length }, (_, bits) => {
		const chosen = scaling.filter((_index, bit) => (bits >> bit) & 1);
		const title = chosen.map((index) => pools[index]!.id).join(" + ") || NO_BOX;
		return { title, has: ({ index }: Box) => chosen.includes(index) };
	});
}
