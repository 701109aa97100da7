import { costGuard } from "../../../src/shared/router/cascade/cost-guard.ts";
import {
	bestSoFar,
	nextStep,
	scoresOf,
	type Ladder,
	type LadderTerms,
} from "../../../src/shared/router/cascade/ladder.ts";
import { expectedCourse, type Course as Expected } from "../../../src/shared/router/cascade/ladder-of.ts";
import type { StopReason } from "../../../src/shared/router/cascade/budget.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import type { CourseExplanation } from "../../../src/shared/router/explanation.ts";
import type { Usd } from "../../../src/shared/units.ts";
import { Answers, until } from "./answers.ts";
import type { Course } from "./course.ts";
import type { Ended } from "./ended.ts";
import { learnedBy } from "./learned.ts";
import { verdictOn } from "./verify.ts";

/** A ladder with where each of its models is expected to answer: the cheap ones, then the top. */
export interface Climb {
	readonly ladder: Ladder;
	readonly ranked: readonly Ranked[];
	readonly verifier: Ranked | null;
	readonly terms: Omit<LadderTerms, "firstScores" | "settledScores">;
}

/** Climbs the ladder until an answer is accepted. Cheap answers are held until they are judged; a stream of the top is passed on as
 *  it comes. Where the ladder is expected to cost more than its top, the top alone is asked. */
export async function climb(course: Course, { ladder, ranked, verifier, terms: fixed }: Climb): Promise<Ended> {
	const { prepared, plan, budget } = course;
	const name = ladderName(course, ranked);
	const { rates } = learnedBy(prepared.isolate);
	const scores = learnedBy(prepared.isolate).scoresOf(name);
	const terms = { ...fixed, firstScores: scores.first, settledScores: scores.settled };
	const expected = expectedCourse(ladder, terms);
	const domains = plan.explanation.domains.length > 0 ? plan.explanation.domains : ANY_DOMAIN;
	const rate = rates.rate(name, domains, expected.escalation, prepared.startedAt);
	const together = !course.isOneByOne && areTogether(ladder, expected, terms.valueOfSecond);
	const guard = costGuard(ladder, expected, rate, { ...terms, secondsMax: budget.seconds, together });
	const told = { ladder_usd: guard.ladderUsd, top_usd: guard.topUsd, rate };
	const answers = new Answers(course, ranked);
	const top = ladder.cheap.length;
	if (!guard.run) {
		const asked = await askTop(course, answers, top);
		if (!isAway(asked.answer)) return { ...asked, why: "guard", guard: told };
		// What the top could not answer others may.
		await answers.hear(top, "top");
	}

	const rungs = [...ladder.cheap, ladder.top];
	const left = (stop: StopReason): Ended => bestLeft(course, answers, bestSoFar(rungs, answers.judged), stop, told);
	let verdict: boolean | null | undefined;
	if (guard.run && together)
		for (const index of [0, 1]) if (answers.stopBefore(index) === null) answers.start(index, "cheap");
	for (;;) {
		const state = { judged: answers.judged, verdict };
		const step = nextStep(ladder, terms, state);
		const isDecided = step.kind === "accept" || (step.kind === "call" && step.rungs[0] === top);
		if (isDecided && !answers.judged[top]) {
			const found = scoresOf(ladder, state);
			if (found) scores.add(found);
			answers.drop(1);
			rates.learn(name, domains, step.kind === "call", Date.now() / 1_000);
		}
		if (step.kind === "accept") {
			const { rung, why, probability } = step;
			return { ...accepted(answers, rung), why, probability, stop: null, guard: told };
		}
		const mayStop = (): boolean => bestSoFar(rungs, answers.judged) !== null;
		if (step.kind === "verify") {
			const asked = await verdictOn(course, answers, step.rung, verifier!, mayStop);
			if (course.isLeft) return gone(told);
			if (asked.stop) return left(asked.stop);
			verdict = asked.verdict;
			continue;
		}
		const index = step.rungs[0]!;
		const stop = answers.stopBefore(index);
		if (stop && answers.judged[top])
			return { ...accepted(answers, top), why: "top", probability: 0, stop, guard: told };
		if (stop) return left(stop);
		if (index === top && prepared.planned.request.stream) {
			const passed = await passTop(course, answers, top, mayStop);
			if (passed === "time") return left("time");
			if (course.isLeft) return gone(told);
			if (passed) return { ...passed, guard: told };
			continue;
		}
		const heard = answers.hear(index, index === top ? "top" : "cheap");
		const ended = await until(heard, budget.seconds - course.elapsed, mayStop);
		if (course.isLeft) return gone(told);
		if (ended === "time") return left("time");
	}
}

/** Whether an answer is an error of the model's pools or of its place in the budget, which another model may not meet. */
export function isAway(answer: Ended["answer"]): boolean {
	return answer !== null && (answer.status === 429 || answer.status >= 500);
}

/** Where nothing tells what a prompt is about. */
const ANY_DOMAIN = [{ name: "", p: 1 }];

/** What share of requests asks the second cheap model in vain when it is asked beside the first. */
const VAIN_SHARE = 0.1;

/** Whether the second cheap model is asked beside the first: it will be asked all but surely, and the time that it takes is worth more
 *  than the odd call in vain. */
function areTogether({ cheap }: Ladder, { second }: Expected, valueOfSecond: Usd): boolean {
	const after = cheap[1];
	return second === 1 && after !== undefined && valueOfSecond * after.seconds > VAIN_SHARE * after.usd;
}

function ladderName({ prepared, plan }: Course, ranked: readonly Ranked[]): string {
	return JSON.stringify([prepared.key.tenant, plan.router.id, ...ranked.map(({ option }) => option.model.id)]);
}

/** The top's answer as it comes; null where it failed, which is judged then. */
async function passTop(
	course: Course,
	answers: Answers,
	top: number,
	mayStop: () => boolean,
): Promise<Omit<Ended, "guard"> | "time" | null> {
	const { stage, response } = answers.start(top, "top");
	const ended = await until(response.catch(noop), course.budget.seconds - course.elapsed, mayStop);
	if (ended === "time") return "time";
	const answer = await response;
	if (answer.status === 200) return { stage, answer, why: "top", probability: null, stop: null };
	await answers.hear(top, "top");
	return null;
}

/** The top alone. */
async function askTop(course: Course, answers: Answers, top: number): Promise<Omit<Ended, "guard" | "why">> {
	const stop = answers.stopBefore(top);
	if (stop) return { stage: null, answer: null, probability: null, stop };
	const { stage, response } = answers.start(top, "top");
	return { stage, answer: await response, probability: null, stop: null };
}

export function accepted(answers: Answers, index: number): Pick<Ended, "stage" | "answer"> {
	return { stage: answers.stageOf(index), answer: answers.heldOf(index) };
}

/** The best answer so far, where nothing more may be asked. */
export function bestLeft(
	course: Course,
	answers: Answers,
	best: number | null,
	stop: StopReason,
	guard: CourseExplanation["guard"],
): Ended {
	course.cancelRest();
	const found = best === null ? { stage: null, answer: null } : accepted(answers, best);
	return { ...found, why: stop, probability: null, stop, guard };
}

export function gone(guard: CourseExplanation["guard"]): Ended {
	return { stage: null, answer: null, why: "client_gone", probability: null, stop: null, guard };
}

function noop(): void {}
