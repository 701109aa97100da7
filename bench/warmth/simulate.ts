import { combine, logNormal, seeded } from "../../test/simulator/random.ts";
import { EventQueue } from "../lib/event-queue.ts";
import type { TraceRequest } from "../replay/trace.ts";
import { Box, type BoxState, type Span } from "./box.ts";
import type { ApiSpec, Fleet } from "./fleet.ts";
import { crowded, type StartTimes } from "./start-times.ts";

/** Requests by time of arrival. Those before `middle` are for tuning, the others for judging. */
export interface Traffic {
	readonly requests: readonly TraceRequest[];
	readonly middle: number;
}

/** Everything about a replay that no policy can change. */
export interface Setup {
	readonly fleet: Fleet;
	readonly traffic: Traffic;
	readonly starts: StartTimes;
	/** Of the API's luck. */
	readonly seed: number;
}

/** What a policy may look at and do. */
export interface World {
	readonly clock: EventQueue;
	readonly fleet: Fleet;
	/** In the fleet's order. */
	readonly boxes: readonly Box[];
	/** Sends a request that has arrived to a box, or to the API (`API`). */
	send(id: number, to: number): void;
	/** It gets no answer at all. */
	fail(id: number): void;
	readonly isOver: boolean;
}

/** The API's number among those to whom a request can be sent. */
export const API = -1;
const FAILED = -2;
/** Until an error that says that nobody is there. */
const REFUSAL_SECONDS = 0.05;

/** Decides who gets a request, and which boxes are up. */
export interface Policy {
	/** Calls `send` or `fail` once, now or later. */
	arrive(id: number, request: TraceRequest): void;
	/** A box that starts has answered that nobody is there: `send` or `fail` it again. */
	onRefused?(id: number, request: TraceRequest, box: number): void;
	onFirst?(id: number, request: TraceRequest, to: number): void;
	onEnd?(id: number, request: TraceRequest, to: number): void;
	onChange?(box: number, state: BoxState): void;
}

/** What happened to each request, by its index, and to each box. */
export interface Outcome {
	/** Seconds from its arrival to its first and last token; infinite for one that failed. */
	readonly ttft: Float64Array;
	readonly seconds: Float64Array;
	/** The box that answered, `API`, or -2: none. */
	readonly to: Int8Array;
	/** Sent to a box that was not warm, if only to be refused there. */
	readonly metStart: Uint8Array;
	readonly boxes: readonly {
		readonly ups: readonly Span[];
		readonly boots: readonly Span[];
		readonly idles: readonly Span[];
	}[];
	readonly endedAt: number;
}

/** Plays the traffic through a policy until every request has its answer or has failed. Throws when one ends not exactly once. */
export function simulate({ fleet, traffic, starts, seed }: Setup, createPolicy: (world: World) => Policy): Outcome {
	const { requests } = traffic;
	const clock = new EventQueue();
	const count = requests.length;
	const ttft = new Float64Array(count).fill(-1);
	const seconds = new Float64Array(count).fill(-1);
	const to = new Int8Array(count).fill(FAILED);
	const metStart = new Uint8Array(count);
	const isSent = new Uint8Array(count);
	let ended = 0;
	// It may start boxes while it is made.
	let policy: Policy | undefined;

	const boxes = fleet.pools.map(
		(spec, index): Box =>
			new Box(spec, index, clock, {
				startSeconds: () => {
					const alone = starts.alone(index, spec.zero!.start, clock.now);
					const others = boxes.filter((each) => each !== boxes[index] && each.spec.provider === spec.provider);
					return crowded(alone, others.filter(({ state }) => state === "waking").length);
				},
				onFirst: (id) => first(id, index),
				onEnd: (id) => end(id, index),
				onChange: (state) => policy?.onChange?.(index, state),
			}),
	);

	function first(id: number, from: number): void {
		ttft[id] = clock.now - requests[id]!.at;
		policy?.onFirst?.(id, requests[id]!, from);
	}

	function end(id: number, from: number): void {
		if (seconds[id] !== -1) throw new Error(`Request ${id} ended twice.`);
		seconds[id] = clock.now - requests[id]!.at;
		ended++;
		if (from !== FAILED) policy?.onEnd?.(id, requests[id]!, from);
	}

	const world: World = {
		clock,
		fleet,
		boxes,
		send(id, target) {
			if (isSent[id]) throw new Error(`Request ${id} was sent twice.`);
			isSent[id] = 1;
			to[id] = target;
			const request = requests[id]!;
			if (target === API) {
				const firstAt = clock.now + apiTtft(fleet.api, seed, id);
				clock.schedule(firstAt, () => first(id, API));
				clock.schedule(firstAt + (request.output - 1) * fleet.api.secondsPerOutputToken, () => end(id, API));
				return;
			}
			const box = boxes[target]!;
			if (box.state !== "warm") metStart[id] = 1;
			if (box.take(id, request)) return;
			clock.schedule(clock.now + REFUSAL_SECONDS, () => {
				isSent[id] = 0;
				to[id] = FAILED;
				if (!policy?.onRefused) throw new Error("A policy was refused that does not expect it.");
				policy.onRefused(id, request, target);
			});
		},
		fail(id) {
			if (isSent[id]) throw new Error(`Request ${id} was sent and failed.`);
			isSent[id] = 1;
			ttft[id] = Infinity;
			end(id, FAILED);
			seconds[id] = Infinity;
		},
		get isOver() {
			return ended === count;
		},
	};
	policy = createPolicy(world);

	function arrive(id: number): void {
		const next = requests[id + 1];
		if (next) clock.schedule(next.at, () => arrive(id + 1));
		policy!.arrive(id, requests[id]!);
	}
	if (count > 0) clock.schedule(requests[0]!.at, () => arrive(0));
	clock.run(() => ended === count);
	if (ended !== count) throw new Error(`${count - ended} requests were never answered.`);
	for (const box of boxes) box.close(clock.now);
	return { ttft, seconds, to, metStart, boxes, endedAt: clock.now };
}

/** The API's seconds to the first token of a request: its own luck, whenever it is sent. */
export function apiTtft({ ttftMedian, ttftSigma }: ApiSpec, seed: number, id: number): number {
	return logNormal(seeded(combine(seed, id)), ttftMedian, ttftSigma);
}
