import type { TraceRequest } from "../../replay/trace.ts";
import type { Box } from "../box.ts";
import { API, type Policy, type World } from "../simulate.ts";
import type { PolicySpec } from "./policy.ts";
import { hasRoom } from "./warm-first.ts";

const TIMEOUTS = [null, 60, 3_600] as const;

/** Always to the pool with the lowest price that has a place, cold or not; what refuses is left out for that request. */
export const cheapestFirst: PolicySpec = {
	id: "cheapest_first",
	title: "cheapest first, without warmth",
	variants: () =>
		TIMEOUTS.map((timeout) => ({
			title: titleOf(timeout),
			create: (world) => {
				setTimeouts(world, timeout);
				const boxes = world.boxes.toSorted((a, b) => price(a) - price(b));
				const choose = (id: number, without: number | null): void => {
					const box = boxes.find(({ index, inFlight, spec }) => index !== without && inFlight < spec.concurrency);
					world.send(id, box?.index ?? API);
				};
				return {
					arrive: (id) => choose(id, null),
					onRefused: (id, _request, box) => choose(id, box),
				};
			},
		})),
};

/** Always where the first token is expected first, whatever it costs: the API's usual seconds against those of a warm box. Cold
 *  boxes are never faster, so what keeps boxes warm is its own traffic alone; they are up at first. */
export const fastest: PolicySpec = {
	id: "fastest",
	title: "fastest",
	variants: () =>
		TIMEOUTS.map((timeout) => ({
			title: titleOf(timeout),
			create: (world): Policy => {
				setTimeouts(world, timeout);
				for (const box of world.boxes) box.wake();
				return {
					arrive(id, request) {
						const warm = world.boxes.filter((box) => box.state === "warm" && hasRoom(box, request));
						const [best] = warm.toSorted((a, b) => ttftOf(a, request) - ttftOf(b, request));
						const isBetter = best && ttftOf(best, request) < world.fleet.api.ttftMedian;
						world.send(id, isBetter ? best.index : API);
					},
				};
			},
		})),
};

function ttftOf({ spec, pendingTokens }: Box, { input }: TraceRequest): number {
	const { overheadSeconds, stepSeconds, prefillTokensPerSecond } = spec.engine;
	return overheadSeconds + 2 * stepSeconds + (pendingTokens + input) / prefillTokensPerSecond;
}

function setTimeouts({ boxes }: World, timeout: number | null): void {
	if (timeout !== null) for (const box of boxes) box.idleTimeout = timeout;
}

function price({ spec }: Box): number {
	return spec.zero ? spec.usdPerSecond : 0;
}

function titleOf(timeout: number | null): string {
	return timeout === null ? "own time-outs" : `${timeout} s`;
}
