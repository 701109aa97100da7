import { verdictOf as verdictIn, verifierBody } from "../../../src/shared/router/cascade/verifier.ts";
import type { StopReason } from "../../../src/shared/router/cascade/budget.ts";
import { readPlainAnswer } from "../../../src/shared/router/cascade/read-answer.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import { promptText } from "../../../src/shared/router/prompt-text.ts";
import type { Planned } from "../planned.ts";
import { readRequest } from "../read-request.ts";
import { amountOf, sizesOf, worstOf } from "../sizes.ts";
import { until, type Answers } from "./answers.ts";
import type { Course } from "./course.ts";
import { held } from "./stage.ts";

/** Asks the verifier for its opinion of an answer; it has none (null) where it fails. */
export async function verdictOn(
	course: Course,
	answers: Answers,
	index: number,
	verifier: Ranked,
	mayStop: () => boolean,
): Promise<{ readonly verdict: boolean | null; readonly stop: StopReason | null }> {
	const planned = verification(course, answers.answerOf(index)?.choices[0]?.text ?? "", verifier);
	if (!planned) return { verdict: null, stop: null };
	const stop = course.stopBefore(planned);
	if (stop) return { verdict: null, stop };
	const { stage, response } = course.start(planned, "verifier");
	const whole = response.then(held).catch(() => null);
	if ((await until(whole, course.budget.seconds - course.elapsed, mayStop)) === "time") {
		stage.cancel();
		return { verdict: null, stop: "time" };
	}
	stage.end();
	const answer = await whole;
	const verdict = answer?.status === 200 ? verdictIn(readPlainAnswer(answer.body)) : null;
	if (verdict === null) stage.fault = answer?.status === 200 ? "no_verdict" : "failed";
	return { verdict, stop: null };
}

/** The verifier's own request: a chat that holds the task and the answer as data. */
function verification(course: Course, answer: string, verifier: Ranked): Planned | null {
	const { request } = course.prepared.planned;
	const { key, isolate } = course.prepared;
	const base = course.at(verifier);
	const task = promptText(request.endpoint, request.json, request.members);
	const body = new TextEncoder().encode(verifierBody(base.model.id, task, answer));
	const read = readRequest("chat", body);
	if (!read.ok) return null;
	const sizes = sizesOf(read.value, key, base.model);
	const need = amountOf(worstOf(base.model, read.value, base.policy, sizes, isolate.settings), sizes);
	return { ...base, request: read.value, need };
}
