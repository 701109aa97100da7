import { fleetOf, type Fleet, type PoolSpec } from "../../../../bench/warmth/fleet.ts";
import type { Policy, Setup, Traffic, World } from "../../../../bench/warmth/simulate.ts";
import { StartTimes, type Measured } from "../../../../bench/warmth/start-times.ts";
import { trafficOf } from "../../../../bench/warmth/traffic/load.ts";
import { seeded } from "../../../simulator/random.ts";

/** Every start takes 20 s but for 15 % more or less, from fast storage 2 s; the platform adds nothing. */
export const MEASURED: Measured = {
	loads: [20],
	weights: [2],
	platform: [
		[0, 0],
		[1, 0],
	],
};

/** Steps that cost nothing beside the prompt: 1,000 tokens in a second, an answer's further tokens in a tenth of one each. */
export const SLOW: PoolSpec = {
	id: "slow",
	provider: "p",
	gpu: "L4",
	usdPerSecond: 0.001,
	zero: { kind: "plain", idleSeconds: 30, start: "process", refuses: false },
	concurrency: 4,
	engine: {
		prefillTokensPerSecond: 1_000,
		stepSeconds: 0.1,
		stepSecondsPerSequence: 0,
		stepSecondsPerContextToken: 0,
		stepTokens: 10_000,
		runningMax: 4,
		kvBlocks: 1_000,
		overheadSeconds: 0,
	},
};

export function fleetWith(...pools: readonly PoolSpec[]): Fleet {
	return { ...fleetOf("three"), pools };
}

export function trafficAt(...at: readonly number[]): Traffic {
	return trafficOf(at.map((each) => ({ at: each, input: 500, output: 11, client: 0 })));
}

export function setupOf(fleet: Fleet, traffic: Traffic, seed = 1): Setup {
	return { fleet, traffic, starts: new StartTimes(MEASURED, seed), seed };
}

/** Requests in bursts with pauses between, of all sizes. */
export function randomTraffic(seed: number, count: number, pause: number): Traffic {
	const rng = seeded(seed);
	let at = 0;
	return trafficOf(
		Array.from({ length: count }, () => {
			at += rng() < 0.2 ? pause * rng() * 5 : rng();
			const [input, output] = [1 + Math.floor(rng() * 6_000), 1 + Math.floor(rng() * 300)];
			return { at, input, output, client: Math.floor(rng() * 3) };
		}),
	);
}

/** All to one box or the API, whatever comes. */
export function allTo(to: number, prepare?: (world: World) => void): (world: World) => Policy {
	return (world) => {
		prepare?.(world);
		return { arrive: (id) => world.send(id, to) };
	};
}
