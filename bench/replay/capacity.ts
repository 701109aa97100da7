import { pooledEngine } from "./fleet.ts";
import type { EngineSpec } from "./engine/spec.ts";
import { simulate, type Outcome } from "./simulate.ts";
import { atSpeed, type Trace } from "./trace.ts";

const PARTS = 4;
/** Fast enough that there is always something to do. */
const SATURATED = 10_000;

/** How many times as fast a trace may be played until the busiest quarter of its time keeps the whole fleet busy: all replicas
 *  pooled into one machine with all their KV memory as one cache, and a queue that is never empty. No router reaches it, since
 *  replicas cannot share; a load of 0.9 is 0.9 of this. */
export function fullSpeed(trace: Trace, engines: readonly EngineSpec[]): number {
	const kvBlocks = engines.reduce((sum, engine) => sum + engine.kvBlocks, 0);
	const flooded = atSpeed(trace, SATURATED);
	const { ttft } = simulate(flooded, [pooledEngine(engines, kvBlocks)], oneReplica);
	const { requests } = trace;
	const start = requests[0]!.at;
	const span = requests.at(-1)!.at - start;
	/** When the machine has filled the last prompt of each part. */
	const filledBy = new Float64Array(PARTS);
	requests.forEach(({ at }, id) => {
		const part = Math.min(PARTS - 1, Math.floor(((at - start) / span) * PARTS));
		filledBy[part] = Math.max(filledBy[part]!, flooded.requests[id]!.at + ttft[id]!);
	});
	const busiest = Math.max(...filledBy.map((by, part) => by - (part === 0 ? 0 : filledBy[part - 1]!)));
	return span / PARTS / busiest;
}

/** What nobody can pass: all replicas as one, whose cache never forgets. */
export function pooledLimit(trace: Trace, engines: readonly EngineSpec[]): Outcome {
	return simulate(trace, [pooledEngine(engines, 2 ** 30)], oneReplica);
}

function oneReplica(): { route(id: number, request: unknown, send: (replica: number) => void): void } {
	return { route: (_id, _request, send) => send(0) };
}
