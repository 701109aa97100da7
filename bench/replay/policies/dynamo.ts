import { BLOCK_TOKENS } from "../trace.ts";
import { argminRandom, type Policy } from "./policy.ts";

interface Settings {
	readonly prefillLoadScale: number;
	/** What a block counts that is in the replica's cache. */
	readonly overlapCredit: number;
}

/** NVIDIA Dynamo's KV router at temperature 0: `scale * max(active prefill blocks + prompt blocks - credit * overlap, 0) +
 *  active blocks + those that the prompt adds to them`, the least wins, at random among equals. It has the engines' events,
 *  without delay or loss. */
export const dynamo: Policy<Settings> = {
	id: "dynamo",
	title: "Dynamo KV router",
	settings: [
		{ prefillLoadScale: 1, overlapCredit: 1 },
		{ prefillLoadScale: 2, overlapCredit: 1 },
		{ prefillLoadScale: 4, overlapCredit: 1 },
		{ prefillLoadScale: 0.5, overlapCredit: 1 },
		{ prefillLoadScale: 2, overlapCredit: 1.5 },
		{ prefillLoadScale: 4, overlapCredit: 2 },
		{ prefillLoadScale: 16, overlapCredit: 1 },
		{ prefillLoadScale: 16, overlapCredit: 1.75 },
	],
	create:
		() =>
		({ input }, views, { prefillLoadScale, overlapCredit }, rng) => {
			const own = input / BLOCK_TOKENS;
			return argminRandom(
				views,
				({ pendingTokens, activeBlocks, newActiveBlocks, held }) => {
					const prefill = Math.max(0, pendingTokens / BLOCK_TOKENS + own - overlapCredit * held);
					return prefillLoadScale * prefill + activeBlocks + newActiveBlocks;
				},
				rng,
			);
		},
};
