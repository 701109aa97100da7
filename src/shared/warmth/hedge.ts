import type { Weights } from "../objective/objective.ts";
import type { Seconds, Usd } from "../units.ts";
import { stillOut, type AnswerLaw } from "./answer-law.ts";

/** A request has waited in vain; it might be sent a second time, elsewhere. */
export interface HedgeQuestion {
	/** When the first answer comes, from when it was asked for. */
	readonly first: AnswerLaw;
	/** Seconds for which it has not. */
	readonly waited: Seconds;
	/** When the second would, from when it is asked for. */
	readonly second: AnswerLaw;
	/** By how much the second goes on for longer after it has begun; negative: less long. */
	readonly slower: Seconds;
	/** What the second costs, in all. */
	readonly usd: Usd;
}

/** What a hedge is expected to gain and to cost, in USD. It is worth making when `time + late > slower + cost`. */
export interface HedgeTerms {
	/** v * (E[T - waited | T > waited] - E[min(T - waited, U) | T > waited]): T the first's, U the second's seconds. */
	readonly time: Usd;
	/** The same beyond the TTFT goal, at v_slo. */
	readonly late: Usd;
	/** v * P(the second is first) * the seconds by which it goes on for longer. */
	readonly slower: Usd;
	readonly cost: Usd;
}

/** What lies further ahead does not count: most calls that have not begun to answer by then are given up and made elsewhere anyway. Of
 *  a start or a plain answer, which is given more time, the gain is rated too low. */
const AHEAD_MAX: Seconds = 60;
const STEPS = 32;

/** With S(t) = P(T > waited + t | T > waited), a difference of means is the integral of S(t) P(U <= t), and beyond the goal that from
 *  there on. */
export function hedgeTerms(question: HedgeQuestion, { valueOfSecond, lateSecond, ttftGoal }: Weights): HedgeTerms {
	const { first, second, waited, slower, usd } = question;
	const out = stillOut(first, waited);
	const none = { time: 0, late: 0, slower: 0, cost: usd };
	if (!(out > 0)) return none;
	const still = (t: Seconds): number => stillOut(first, waited + t) / out;
	const gained = (t: Seconds): number => still(t) * (1 - stillOut(second, t));
	const goal = Math.min(AHEAD_MAX, Math.max(0, ttftGoal - waited));
	let wins = 0;
	let before = 1;
	for (let step = 1; step <= STEPS; step++) {
		const after = stillOut(second, at(step));
		wins += (before - after) * still((at(step - 1) + at(step)) / 2);
		before = after;
	}
	return {
		time: valueOfSecond * integral(gained, 0),
		late: lateSecond * integral(gained, goal),
		slower: valueOfSecond * wins * slower,
		cost: usd,
	};
}

export function isWorth({ time, late, slower, cost }: HedgeTerms): boolean {
	return time + late - slower > cost;
}

const AGAIN_FACTOR = 1.5;
/** No call is waited for longer than this, with the time for a start or for the whole of a plain answer. */
const WAITED_MAX: Seconds = 600;

/** After how many seconds without an answer the hedge would be worth making, if it is not now; null: never. The longer nothing
 *  comes, the more likely it is that the replica has a queue that nobody knows of, starts, or hangs. */
export function worthAfter(question: HedgeQuestion, weights: Weights): Seconds | null {
	if (!(question.waited > 0)) return null;
	for (let waited = question.waited * AGAIN_FACTOR; waited < WAITED_MAX; waited *= AGAIN_FACTOR) {
		if (isWorth(hedgeTerms({ ...question, waited }, weights))) return waited;
	}
	return null;
}

/** Points between 0 and `AHEAD_MAX`, dense where laws of a tenth of a second change. */
function at(step: number, from: Seconds = 0): Seconds {
	return from + (AHEAD_MAX - from) * (step / STEPS) ** 3;
}

/** From `from` to `AHEAD_MAX`, by the trapezium rule. */
function integral(f: (t: Seconds) => number, from: Seconds): number {
	let sum = 0;
	let [t, value] = [from, f(from)];
	for (let step = 1; step <= STEPS; step++) {
		const next = at(step, from);
		const there = f(next);
		sum += ((value + there) / 2) * (next - t);
		[t, value] = [next, there];
	}
	return sum;
}
