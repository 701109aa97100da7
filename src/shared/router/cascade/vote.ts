import { VOTERS_MIN } from "../bounds.ts";
import { agreement, type Group } from "./agreement.ts";
import { aloneProbability, type Judged } from "./judged.ts";
import { bestSoFar } from "./ladder.ts";
import { logOdds } from "./log-odds.ts";
import type { Rung } from "./rung.ts";

export type VoteStep =
	| { readonly kind: "call"; readonly rungs: readonly number[] }
	| {
			readonly kind: "accept";
			readonly rung: number;
			readonly why: "sure" | "decided" | "all" | "prose";
			/** P(right). */
			readonly probability: number;
	  };

/** What to do next: two are asked at once, then one after the other, until what leads is right with the probability `target`, or
 *  cannot be overtaken by all who are left. A vote weighs the log-odds of its model's expected quality. Answers that cannot be
 *  compared make no vote: then it ends with the better model's. Null where nobody has answered. */
export function nextVote(voters: readonly Rung[], judged: readonly (Judged | null)[], target: number): VoteStep | null {
	const asked = judged.filter((each) => each !== null).length;
	if (asked < VOTERS_MIN) return { kind: "call", rungs: range(asked, Math.min(VOTERS_MIN, voters.length)) };
	const present = voters.flatMap((rung, index) => {
		const known = judged[index];
		return known && !known.fault ? [{ index, rung, known }] : [];
	});
	const next: VoteStep | null = asked < voters.length ? { kind: "call", rungs: [asked] } : null;
	if (present.length === 0) return next ?? leftOver(voters, judged);

	const groups = agreement(
		present.map(({ rung, known }) => ({ quality: aloneProbability(rung, known), key: known.key })),
	);
	const leader = groups[0]!;
	const member = leader.members.reduce((best, each) =>
		present[each]!.rung.quality > present[best]!.rung.quality ? each : best,
	);
	const accept = (why: "sure" | "decided" | "all" | "prose"): VoteStep => ({
		kind: "accept",
		rung: present[member]!.index,
		why,
		probability: leader.probability,
	});
	if (present.length >= VOTERS_MIN && present.every(({ known }) => known.key === null)) return accept("prose");
	if (present.length >= VOTERS_MIN && leader.probability >= target) return accept("sure");
	if (!next) return accept("all");
	const weightOf = ({ members }: Group): number =>
		members.reduce((sum, each) => sum + weight(present[each]!.rung.quality), 0);
	const runnerUp = groups.slice(1).reduce((most, group) => Math.max(most, weightOf(group)), 0);
	const left = voters.slice(asked).reduce((sum, { quality }) => sum + weight(quality), 0);
	return weightOf(leader) > runnerUp + left ? accept("decided") : next;
}

/** A model that is wrong more often than right still weighs something: it does not vote for the opposite. */
const WEIGHT_MIN = 0.05;

function weight(quality: number): number {
	return Math.max(WEIGHT_MIN, logOdds(quality));
}

/** Every answer has a fault. */
function leftOver(voters: readonly Rung[], judged: readonly (Judged | null)[]): VoteStep | null {
	const rung = bestSoFar(voters, judged);
	return rung === null ? null : { kind: "accept", rung, why: "all", probability: 0 };
}

function range(from: number, to: number): number[] {
	return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
}
