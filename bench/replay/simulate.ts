import { Engine, type Sequence } from "./engine/engine.ts";
import type { EngineSpec } from "./engine/spec.ts";
import { EventQueue } from "../lib/event-queue.ts";
import type { Trace, TraceRequest } from "./trace.ts";

/** What a router may look at and use. */
export interface World {
	readonly clock: EventQueue;
	readonly trace: Trace;
	readonly engines: readonly Engine[];
}

/** How a request went, as whoever sent it sees it. */
export interface Answer {
	/** Index in the trace. */
	readonly id: number;
	readonly request: TraceRequest;
	readonly replica: number;
	/** When it was sent to the replica. */
	readonly sentAt: number;
	/** When its first token came. */
	firstAt: number;
	/** Prompt tokens that the engine found in its cache. */
	cached: number;
}

export interface Router {
	/** A request arrives now. Calls `send` with a replica's index once, now or later. */
	route(id: number, request: TraceRequest, send: (replica: number) => void): void;
	onFirst?(answer: Answer): void;
	onEnd?(answer: Answer): void;
}

/** A replica loses its cache. */
export interface Restart {
	readonly at: number;
	readonly replica: number;
}

/** What happened to each request, by its index in the trace. */
export interface Outcome {
	/** Seconds from its arrival to its first and its last token. */
	readonly ttft: Float64Array;
	readonly seconds: Float64Array;
	readonly cached: Float64Array;
	readonly replica: Int16Array;
	/** When the last token of all came. */
	readonly endedAt: number;
}

/** Plays a trace through a router into engines, until every request has its answer. Throws when one ends not exactly once. */
export function simulate(
	trace: Trace,
	specs: readonly EngineSpec[],
	createRouter: (world: World) => Router,
	restarts: readonly Restart[] = [],
): Outcome {
	const { requests } = trace;
	const clock = new EventQueue();
	const answers: (Answer | undefined)[] = Array.from({ length: requests.length });
	const ttft = new Float64Array(requests.length);
	const seconds = new Float64Array(requests.length);
	const cached = new Float64Array(requests.length);
	const replicas = new Int16Array(requests.length).fill(-1);
	let ended = 0;

	const engines = specs.map(
		(spec) =>
			new Engine(spec, trace.blockIds, {
				onFirst({ id, request, cached: found }: Sequence, now: number): void {
					const answer = answers[id]!;
					answer.firstAt = now;
					answer.cached = found;
					ttft[id] = now - request.at;
					cached[id] = found;
					router.onFirst?.(answer);
				},
				onEnd({ id, request }: Sequence, now: number): void {
					if (seconds[id] !== 0) throw new Error(`Request ${id} ended twice.`);
					seconds[id] = now - request.at;
					ended++;
					router.onEnd?.(answers[id]!);
				},
			}),
	);
	const router = createRouter({ clock, trace, engines });

	/** The time for which each engine's next event stands in the queue. */
	const planned = engines.map(() => Infinity);
	function plan(index: number): void {
		const { due } = engines[index]!;
		if (due === planned[index]) return;
		planned[index] = due;
		if (due === Infinity) return;
		clock.schedule(due, () => {
			// Replaced by an earlier one.
			if (planned[index] !== due) return;
			planned[index] = Infinity;
			engines[index]!.advance();
			plan(index);
		});
	}

	function arrive(id: number): void {
		const request = requests[id]!;
		const next = requests[id + 1];
		if (next) clock.schedule(next.at, () => arrive(id + 1));
		router.route(id, request, (replica) => {
			if (answers[id]) throw new Error(`Request ${id} was sent twice.`);
			const engine = engines[replica]!;
			replicas[id] = replica;
			answers[id] = { id, request, replica, sentAt: clock.now, firstAt: Number.NaN, cached: 0 };
			clock.schedule(clock.now + engine.spec.overheadSeconds, () => {
				engine.enqueue(request, id, clock.now);
				plan(replica);
			});
		});
	}

	for (const { at, replica } of restarts) clock.schedule(at, () => engines[replica]!.clearCache());
	if (requests.length > 0) clock.schedule(requests[0]!.at, () => arrive(0));
	clock.run(() => ended === requests.length);
	if (ended !== requests.length) throw new Error(`${requests.length - ended} requests were never answered.`);
	return { ttft, seconds, cached, replica: replicas, endedAt: clock.now };
}
