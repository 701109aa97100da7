import { logNormal, scramble, seeded } from "../../../test/simulator/random.ts";
import type { EventQueue } from "../../lib/event-queue.ts";
import { catalogOf, type Fleet } from "../fleet.ts";
import { Isolate, type Way } from "../places/isolate.ts";
import { SchedulerObject } from "../places/scheduler-object.ts";
import type { Answer, Router, World } from "../simulate.ts";

export interface Circumstances {
	/** Edge places, each with round trips of its own to the object; 0: one place right beside it. */
	readonly places: number;
	/** Share of the replay at which the object is gone for a minute; absent: never. */
	readonly lostAt?: number;
	/** The object never answers. */
	readonly alone?: boolean;
	/** Scheduler objects among which conversations are divided; absent: one. */
	readonly shards?: number;
	/** How many times as large as they are the catalog makes the replicas' KV memories look; absent: right. */
	readonly memoryGuess?: number;
}

/** What an operator may set in a key's policy: how soon a first token is late, and what others' delays count. The defaults
 *  stand first. */
export const KEY_POLICIES: readonly KeyPolicy[] = [1, 0.5, 2, 0.25, 0.1].flatMap((harmWeight) =>
	[2, 0.5, 0.05].map((ttftGoal) => ({ ttftGoal, harmWeight })),
);

export interface KeyPolicy {
	/** Seconds. */
	readonly ttftGoal: number;
	readonly harmWeight: number;
}

const ROUND_TRIP_MIN = 0.001;
const ROUND_TRIP_MAX = 0.15;
/** Of the logarithm of a call's round trip about its place's; one in a hundred takes five times as long besides. */
const ROUND_TRIP_SIGMA = 0.2;
const STALL_SHARE = 0.01;
const STALL_FACTOR = 5;
const LOST_SECONDS = 60;
/** How often shards tell one another what they have in flight. */
const SHARE_SECONDS = 1;

/** Ours: the production scheduler core, mailbox and fallback, in as many places as asked for. A conversation always comes in
 *  at the same place. */
export function isobarRouter(
	fleet: Fleet,
	circumstances: Circumstances,
	variant: number,
	seed: number,
): (world: World) => Router {
	return ({ clock, trace }) => {
		const { places, lostAt, alone = false, shards = 1, memoryGuess = 1 } = circumstances;
		const rng = seeded(seed);
		const model = catalogOf(fleet, memoryGuess, shards);
		const objects = Array.from({ length: shards }, () => new SchedulerObject(model, rng));
		const lastAt = trace.requests.at(-1)!.at;
		const lostFrom = lostAt === undefined ? Infinity : lostAt * lastAt;
		const isUp = (now: number): boolean => !alone && (now < lostFrom || now >= lostFrom + LOST_SECONDS);
		if (lostFrom < Infinity)
			clock.schedule(lostFrom + LOST_SECONDS, () => objects.forEach((object) => object.restart(clock.now)));
		if (shards > 1) shareLoads(objects, clock, lastAt);

		// An isolate has a mailbox for each object.
		const isolates = waysOf(places, rng, isUp).map((way, index) =>
			objects.map(
				(object) => new Isolate({ clock, model, object, way, edge: `E${index}`, policy: KEY_POLICIES[variant]! }),
			),
		);
		const isolateOf = (conversation: number): Isolate =>
			isolates[scramble(conversation + 1) % isolates.length]![scramble(conversation + 2) % shards]!;
		return {
			route: (id, request, send) => isolateOf(request.conversation).route(id, request, send),
			onFirst: (answer: Answer) => isolateOf(answer.request.conversation).onFirst(answer),
			onEnd: (answer: Answer) => isolateOf(answer.request.conversation).onEnd(answer),
		};
	};
}

function shareLoads(objects: readonly SchedulerObject[], clock: EventQueue, lastAt: number): void {
	for (const [shard, object] of objects.entries())
		for (const other of objects) if (other !== object) object.tell(other, `shard ${shard}`, clock.now);
	if (clock.now < lastAt || objects.some(({ isBusy }) => isBusy))
		clock.schedule(clock.now + SHARE_SECONDS, () => shareLoads(objects, clock, lastAt));
}

/** Round trips over the whole range, one place in each equal part of it; a single place is as far from each call as any. */
function waysOf(places: number, rng: () => number, isUp: Way["isUp"]): Way[] {
	if (places === 0) return [{ roundTrip: () => 0, isUp }];
	const far = (share: number): number => ROUND_TRIP_MIN + share * (ROUND_TRIP_MAX - ROUND_TRIP_MIN);
	const call = (median: number): number =>
		logNormal(rng, median, ROUND_TRIP_SIGMA) * (rng() < STALL_SHARE ? STALL_FACTOR : 1);
	if (places === 1) return [{ roundTrip: () => call(far(rng())), isUp }];
	return Array.from({ length: places }, (_, index) => {
		const median = far((index + rng()) / places);
		return { roundTrip: () => call(median), isUp };
	});
}
