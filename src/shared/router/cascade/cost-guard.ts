import type { Seconds, Usd } from "../../units.ts";
import type { Ladder } from "./ladder.ts";
import type { Course } from "./ladder-of.ts";
import type { Rung } from "./rung.ts";

export interface GuardTerms {
	/** USD per second of waiting. */
	readonly valueOfSecond: Usd;
	/** How long the request may take in all; infinite where nobody says. */
	readonly secondsMax: Seconds;
	/** The two cheap models are asked at the same time. */
	readonly together: boolean;
}

export interface Guard {
	/** Whether the ladder is expected to be cheaper than its top alone. */
	readonly run: boolean;
	/** Expected USD of both ways, time included at its value. */
	readonly ladderUsd: Usd;
	readonly topUsd: Usd;
}

/** `cheap + r * top < top`, in money with the value of time, and in the time itself where that is bounded:
 *  `(1 - r) * T_cheap + r * (T_cheap + T_top)`. `rate`: the share r of requests that reaches the top. */
export function costGuard(
	{ cheap, top, verifier }: Ladder,
	course: Omit<Course, "escalation">,
	rate: number,
	{ valueOfSecond, secondsMax, together }: GuardTerms,
): Guard {
	const parts: readonly (readonly [Rung | undefined | null, number])[] = [
		[cheap[0], 1],
		[cheap[1], course.second],
		[verifier, course.verifier],
		[top, rate],
	];
	let usd = 0;
	let seconds = 0;
	for (const [rung, share] of parts) {
		usd += share * (rung?.usd ?? 0);
		seconds += share * (rung?.seconds ?? 0);
	}
	if (together) seconds -= course.second * Math.min(cheap[0]?.seconds ?? 0, cheap[1]?.seconds ?? 0);
	const ladderUsd = usd + valueOfSecond * seconds;
	const topUsd = top.usd + valueOfSecond * top.seconds;
	return { run: ladderUsd < topUsd && seconds <= Math.max(secondsMax, top.seconds), ladderUsd, topUsd };
}
