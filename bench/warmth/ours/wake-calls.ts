import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { Wake } from "../../../src/shared/scheduler/wakes.ts";
import type { Box, BoxState } from "../box.ts";
import type { World } from "../simulate.ts";

/** How soon a call is answered that is not held. */
const ANSWER_SECONDS = 0.05;
/** How long one is held at most. */
const HELD_SECONDS_MAX = 300;

/** The calls that wake boxes, as the scheduler object would make them: held until the box is up, or answered at once by a
 *  provider that refuses while it starts. A call that finds a warm box resets its idle timer. */
export class WakeCalls {
	readonly #world: World;
	readonly #core: SchedulerCore;
	readonly #held = new Map<Box, Wake>();

	readonly #then: () => void;

	/** `then` runs once the core was told of an answer. */
	constructor(world: World, core: SchedulerCore, then: () => void) {
		this.#world = world;
		this.#core = core;
		this.#then = then;
	}

	make(wake: Wake, box: Box): void {
		const { clock } = this.#world;
		const isWarm = box.state === "warm";
		if (isWarm) box.touch();
		else box.wake();
		if (isWarm || box.spec.zero?.refuses) {
			const state = isWarm ? "warm" : "waking";
			clock.schedule(clock.now + ANSWER_SECONDS, () => this.#answer(wake, box, state));
			return;
		}
		this.#held.set(box, wake);
		clock.schedule(clock.now + HELD_SECONDS_MAX, () => {
			if (this.#held.get(box) === wake) this.#answer(wake, box, "waking");
		});
	}

	onChange(box: Box, state: BoxState): void {
		const wake = this.#held.get(box);
		if (wake && state === "warm") this.#answer(wake, box, "warm");
	}

	#answer(wake: Wake, box: Box, state: BoxState): void {
		const { now } = this.#world.clock;
		if (this.#held.get(box) === wake) this.#held.delete(box);
		this.#core.wakes.succeeded(wake, { state, at: now, source: `${box.spec.zero!.kind}_wake` }, now);
		this.#then();
	}
}
