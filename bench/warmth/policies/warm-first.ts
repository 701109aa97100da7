import type { TraceRequest } from "../../replay/trace.ts";
import type { Box } from "../box.ts";
import { TTFT_GOAL_SECONDS } from "../metrics.ts";
import { API, type Policy, type World } from "../simulate.ts";

/** What is done with a request that no warm box has room for. `wait`: it goes to a box that starts, or starts one. `spill`: it goes
 *  to the API; the `after`-th within a minute also starts a box, for those that come later. */
export type WhenCold = { readonly kind: "wait" } | { readonly kind: "spill"; readonly after: number };

export interface WarmFirstOptions {
	readonly whenCold: WhenCold;
	/** Boxes that may be used at all; reserved ones always are. */
	readonly uses: (box: Box) => boolean;
}

const SPILL_WINDOW_SECONDS = 60;
/** Of the goal, that an expected TTFT may take. */
const ROOM_SHARE = 0.8;

/** The router of the policies that only say when boxes are up: the cheapest warm box that has room, else what `whenCold` says. It
 *  sees the true state and load of every box, and knows their rates. */
export class WarmFirst implements Policy {
	protected readonly world: World;
	/** The cheapest first. */
	readonly #boxes: readonly Box[];
	readonly #options: WarmFirstOptions;
	#spills: number[] = [];

	constructor(world: World, options: WarmFirstOptions) {
		this.world = world;
		this.#options = options;
		this.#boxes = world.boxes
			.filter((box) => box.spec.zero === null || options.uses(box))
			.toSorted((a, b) => marginalPrice(a) - marginalPrice(b));
	}

	/** Those that may be used and scale to zero. */
	get scaling(): readonly Box[] {
		return this.#boxes.filter(({ spec }) => spec.zero !== null);
	}

	arrive(id: number, request: TraceRequest): void {
		const { world } = this;
		const warm = this.#boxes.find((box) => box.state === "warm" && hasRoom(box, request));
		if (warm) return world.send(id, warm.index);
		const isUp = this.#boxes.some(({ state, spec }) => state === "warm" && spec.zero);
		if (this.#options.whenCold.kind === "wait" && !isUp) {
			const next = this.scaling.filter(({ spec, inFlight }) => !spec.zero!.refuses && inFlight < spec.concurrency);
			const waking = next.find(({ state }) => state === "waking") ?? next.find(({ state }) => state === "cold");
			if (waking) return world.send(id, waking.index);
		}
		this.#spilled();
		world.send(id, API);
	}

	#spilled(): void {
		const { now } = this.world.clock;
		const { whenCold } = this.#options;
		this.#spills.push(now);
		this.#spills = this.#spills.filter((at) => at > now - SPILL_WINDOW_SECONDS);
		if (this.#spills.length < (whenCold.kind === "spill" ? whenCold.after : 1)) return;
		if (this.scaling.some(({ state }) => state === "waking")) return;
		const cold = this.scaling.find(({ state }) => state === "cold");
		if (!cold) return;
		this.#spills = [];
		cold.wake();
	}
}

/** Whether a request that is sent there now has its first token within the goal, as far as prompts tell. */
export function hasRoom({ spec, inFlight, pendingTokens }: Box, { input }: TraceRequest): boolean {
	const { overheadSeconds, stepSeconds, prefillTokensPerSecond } = spec.engine;
	const ttft = overheadSeconds + 2 * stepSeconds + (pendingTokens + input) / prefillTokensPerSecond;
	return inFlight < spec.concurrency && ttft <= ROOM_SHARE * TTFT_GOAL_SECONDS;
}

/** A reserved box costs nothing more. */
function marginalPrice({ spec }: Box): number {
	return spec.zero ? spec.usdPerSecond : 0;
}

export const WHEN_COLD: readonly (WhenCold & { readonly title: string })[] = [
	{ kind: "wait", title: "wait" },
	{ kind: "spill", after: 1, title: "spill" },
	{ kind: "spill", after: 10, title: "spill, wake after 10" },
];
