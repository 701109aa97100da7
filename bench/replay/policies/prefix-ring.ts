import { scramble } from "../../../test/simulator/random.ts";
import { argmin, type Policy } from "./policy.ts";

interface Settings {
	/** Blocks of the prompt's beginning that are hashed. */
	readonly blocks: number;
	/** A replica with more than this many times the mean load is passed over. */
	readonly loadFactor: number;
}

const POINTS_PER_REPLICA = 64;

/** A consistent-hash ring over the prompt's beginning with bounded load (`prefix_hash` of SMG; Mirrokni et al. 2016): the first
 *  replica clockwise whose load is not above the mean times a factor. */
export const prefixRing: Policy<Settings> = {
	id: "prefix_ring",
	title: "prefix-hash ring with spill",
	settings: [2, 1, 4, 8].flatMap((blocks) => [1.25, 1.1, 2].map((loadFactor) => ({ blocks, loadFactor }))),
	create() {
		let ring: { readonly at: number; readonly replica: number }[] = [];
		return ({ blocks, input }, views, settings) => {
			if (ring.length !== views.length * POINTS_PER_REPLICA) ring = ringOf(views.length);
			const last = Math.min(settings.blocks, blocks.length) - 1;
			// A prompt shorter than a block has no id: its length stands for its text.
			const key = scramble(last < 0 ? input : blocks[last]! + 0x10000);
			const mean = views.reduce((sum, { inFlight }) => sum + inFlight, 1) / views.length;
			const start = Math.max(
				0,
				ring.findIndex(({ at }) => at >= key),
			);
			for (let n = 0; n < ring.length; n++) {
				const { replica } = ring[(start + n) % ring.length]!;
				if (views[replica]!.inFlight + 1 <= Math.max(1, mean * settings.loadFactor)) return replica;
			}
			return argmin(views, (view) => view.inFlight);
		};
	},
};

function ringOf(replicas: number): { at: number; replica: number }[] {
	const points = Array.from({ length: replicas * POINTS_PER_REPLICA }, (_, n) => ({
		at: scramble(0x9e3779b1 ^ (n + 1)),
		replica: n % replicas,
	}));
	return points.sort((a, b) => a.at - b.at);
}
