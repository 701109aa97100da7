import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { KeepingCall } from "../../../src/shared/scheduler/keeping.ts";
import type { WarmthSignal } from "../../../src/shared/warmth/signal.ts";
import type { Box } from "../box.ts";
import type { World } from "../simulate.ts";

/** How soon a call is answered. */
const ANSWER_SECONDS = 0.05;
/** How long one that is to keep a replica warm is held, which then is not. */
const HELD_SECONDS_MAX = 30;

/** Makes a call that keeps a box warm, lets it go, or sets its idle time-out, as the scheduler object would; `then` runs once the
 *  core was told of its answer. */
export function makeKeepingCall(
	call: KeepingCall,
	box: Box,
	{ clock }: World,
	core: SchedulerCore,
	then: () => void,
): void {
	const answered = (seconds: number, state: WarmthSignal["state"] | null): void =>
		clock.schedule(clock.now + seconds, () => {
			const signal = state && { state, at: clock.now, source: `${box.spec.zero!.kind}_keep` };
			core.keeping.done(call, signal, true, clock.now);
			then();
		});
	switch (call.kind) {
		case "keep": {
			const wasWarm = box.state === "warm";
			if (wasWarm) box.touch();
			else box.wake();
			const isHeld = !wasWarm && !box.spec.zero!.refuses;
			return answered(isHeld ? HELD_SECONDS_MAX : ANSWER_SECONDS, wasWarm ? "warm" : "waking");
		}
		case "let_go":
			box.letGo();
			return answered(ANSWER_SECONDS, null);
		case "idle_timeout":
			box.idleTimeout = call.seconds!;
			return answered(ANSWER_SECONDS, null);
	}
}
