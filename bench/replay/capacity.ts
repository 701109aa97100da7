import { combine } from "../../test/simulator/random.ts";
import type { EngineSpec } from "./engine/spec.ts";
import { pooledEngine } from "./fleet.ts";
import { simulate, type Outcome } from "./simulate.ts";
import { atSpeed, type Trace } from "./trace.ts";

const PARTS = 4;
/** Fast enough that every replica always has something to do. */
const FLOOD = 10_000;

/** How many times as fast a trace may be played until the busiest quarter of its time keeps the whole fleet busy, when every
 *  conversation stays on one replica, of which there are as many as the replica is fast. Caches are as they are, and work
 *  is counted as if it could be shared out evenly; no router is asked. A load of 0.9 is 0.9 of this speed. */
export function fullSpeed(trace: Trace, engines: readonly EngineSpec[]): number {
	const { requests } = trace;
	const flooded = atSpeed(trace, FLOOD);
	const { ttft, replica } = simulate(flooded, engines, () => ({
		route: (_id, { conversation }, send) => send(homeOf(conversation, engines)),
	}));
	const start = requests[0]!.at;
	const span = requests.at(-1)!.at - start;
	/** When each replica has filled its last prompt of each part. */
	const filled = Array.from({ length: PARTS }, () => new Float64Array(engines.length));
	requests.forEach(({ at }, id) => {
		const part = filled[Math.min(PARTS - 1, Math.floor(((at - start) / span) * PARTS))]!;
		const home = replica[id]!;
		part[home] = Math.max(part[home]!, flooded.requests[id]!.at + ttft[id]!);
	});
	const rate = engines.reduce((sum, engine) => sum + engine.prefillTokensPerSecond, 0);
	const until = new Float64Array(engines.length);
	const busy = filled.map((part) =>
		engines.reduce((sum, { prefillTokensPerSecond }, home) => {
			const seconds = Math.max(0, part[home]! - until[home]!);
			until[home]! += seconds;
			return sum + (seconds * prefillTokensPerSecond) / rate;
		}, 0),
	);
	return span / PARTS / Math.max(...busy);
}

/** Rendezvous hashing, weighted by speed. */
function homeOf(conversation: number, engines: readonly EngineSpec[]): number {
	let home = 0;
	let most = 0;
	engines.forEach(({ prefillTokensPerSecond }, index) => {
		const uniform = (combine(conversation + 1, index) + 0.5) / 2 ** 32;
		const weight = -prefillTokensPerSecond / Math.log(uniform);
		if (weight <= most) return;
		most = weight;
		home = index;
	});
	return home;
}

/** What nobody can pass: all replicas as one, whose cache never forgets. */
export function pooledLimit(trace: Trace, engines: readonly EngineSpec[]): Outcome {
	return simulate(trace, [pooledEngine(engines, 2 ** 30)], () => ({ route: (_id, _request, send) => send(0) }));
}
