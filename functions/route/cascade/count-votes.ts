import { bestSoFar } from "../../../src/shared/router/cascade/ladder.ts";
import { nextVote } from "../../../src/shared/router/cascade/vote.ts";
import type { Rung } from "../../../src/shared/router/cascade/rung.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import { Answers, until } from "./answers.ts";
import { accepted, bestLeft, gone } from "./climb.ts";
import type { Course } from "./course.ts";
import type { Ended } from "./ended.ts";

/** Lets models vote, two at first and then one after the other, until the answer is decided. */
export async function countVotes(
	course: Course,
	voters: readonly Rung[],
	ranked: readonly Ranked[],
	target: number,
): Promise<Ended> {
	const answers = new Answers(course, ranked);
	const mayStop = (): boolean => bestSoFar(voters, answers.judged) !== null;
	for (;;) {
		const step = nextVote(voters, answers.judged, target);
		if (step === null)
			return { ...accepted(answers, voters.length - 1), why: "failed", probability: 0, stop: null, guard: null };
		if (step.kind === "accept") {
			const { rung, why, probability } = step;
			return { ...accepted(answers, rung), why, probability, stop: null, guard: null };
		}
		const heard: Promise<void>[] = [];
		for (const index of step.rungs) {
			const stop = answers.stopBefore(index);
			if (stop) {
				// One vote is an answer all the same.
				await until(Promise.all(heard), course.budget.seconds - course.elapsed, mayStop);
				return bestLeft(course, answers, bestSoFar(voters, answers.judged), stop, null);
			}
			heard.push(answers.hear(index, "voter"));
			if (course.isOneByOne) await until(Promise.all(heard), course.budget.seconds - course.elapsed, mayStop);
		}
		const ended = await until(Promise.all(heard), course.budget.seconds - course.elapsed, mayStop);
		if (course.isLeft) return gone(null);
		if (ended === "time") return bestLeft(course, answers, bestSoFar(voters, answers.judged), "time", null);
	}
}
