import { objectiveTerms, type Estimate } from "../objective/objective.ts";
import { rates } from "../perf/replica-model.ts";
import { err, ok, type Result } from "../result.ts";
import type { Seconds } from "../units.ts";
import { answerLaw, late } from "../warmth/answer-law.ts";
import { HedgeBudget } from "../warmth/hedge-budget.ts";
import { hedgeTerms, isWorth, worthAfter, type HedgeQuestion, type HedgeTerms } from "../warmth/hedge.ts";
import type { Expected } from "../warmth/mixture.ts";
import type { Decision } from "./decide.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import type { Flight } from "./flights.ts";
import type { AssignReply, AssignRequest, RankedReplica } from "./messages.ts";
import { WHOLE_SIGMA } from "./warmths.ts";

/** A replica that is worth a second call, and why. */
export interface Hedged {
	readonly ranked: RankedReplica;
	readonly terms: HedgeTerms;
}

export type Unhedged = Extract<AssignReply, { kind: "unhedged" }>;

/** Sooner than this nobody is asked: the question alone takes as long. */
const AFTER_MIN: Seconds = 0.05;

/** Which requests that wait in vain for an answer are sent a second time, and where. */
export class Hedging {
	readonly #budget: HedgeBudget;

	constructor(share: number) {
		this.#budget = new HedgeBudget(share);
	}

	/** A request is sent to `replica`. After how many seconds without an answer it may ask for a hedge; undefined: never, because it
	 *  does not want any or has no other provider. */
	sent(
		request: AssignRequest,
		{ replicas }: Fleet,
		flight: Pick<Flight, "replica" | "warmth" | "chosen">,
		now: Seconds,
	): Seconds | undefined {
		if (request.retry || request.hedge) return undefined;
		this.#budget.deposit();
		if (!request.policy.hedge) return undefined;
		const provider = providerOf(flight.replica);
		if (replicas.every((each) => providerOf(each) === provider)) return undefined;
		return Math.max(AFTER_MIN, late(warmly(request.stream, flight, now)));
	}

	/** Whether to send the request of `first` to one of the `decision`'s candidates too, which are all of other providers. */
	decide(first: Flight, request: AssignRequest, decision: Decision, now: Seconds): Result<Hedged, Unhedged> {
		const waited = now - first.assignedAt;
		const { expectedTtft, expectedSeconds } = first.chosen;
		const output = expectedSeconds - expectedTtft;
		// Of a plain answer the first token is seen with the last.
		const goal = request.policy.ttftGoal + (request.stream ? 0 : output);
		const weights = { ...request.policy, ttftGoal: goal };
		const asked = decision.ranked.map((ranked, i) => {
			const question = questionOf(first, waited, output, request, decision.estimates[i]!, now);
			return { ranked, question, terms: hedgeTerms(question, weights) };
		});
		const [best] = asked.toSorted((a, b) => gain(b.terms) - gain(a.terms));
		if (!best) return err(unhedged("no_candidate"));
		const { ranked, question, terms } = best;
		if (!isWorth(terms)) {
			const after = worthAfter(question, weights);
			return err(unhedged("not_worth", after === null ? null : after - waited, terms));
		}
		if (!this.#budget.withdraw()) return err(unhedged("budget", null, terms));
		return ok({ ranked, terms });
	}
}

export function unhedged(
	reason: Unhedged["reason"],
	again: Seconds | null = null,
	terms: HedgeTerms | null = null,
): Unhedged {
	return { kind: "unhedged", reason, again, terms };
}

/** Starts of one provider come late together, and so do answers of what it has in common. */
export function providerOf({ entry }: ReplicaState): string {
	return entry.pool.pool.place.provider;
}

function gain({ time, late: lateness, slower, cost }: HedgeTerms): number {
	return time + lateness - slower - cost;
}

/** What was expected of a request if its replica was warm: to the first token, or to the end of a plain answer. */
function warmly(
	stream: boolean,
	{ replica, warmth, chosen }: Pick<Flight, "replica" | "warmth" | "chosen">,
	now: Seconds,
): Expected {
	if (warmth) return stream ? warmth.ttft : warmth.whole;
	if (!stream) return { mean: chosen.expectedSeconds, sigma: WHOLE_SIGMA };
	return { mean: chosen.expectedTtft, sigma: rates(replica.model, now).ttftSigma };
}

function questionOf(
	first: Flight,
	waited: Seconds,
	firstOutput: Seconds,
	{ stream, policy }: AssignRequest,
	second: Estimate,
	now: Seconds,
): HedgeQuestion {
	const { money, congestion, harm, start = 0 } = objectiveTerms(second, policy);
	const { ttft, ttftSigma, outputSeconds } = second;
	const warm = stream ? { mean: ttft, sigma: ttftSigma } : { mean: ttft + outputSeconds, sigma: WHOLE_SIGMA };
	return {
		first: answerLaw(warmly(stream, first, now), first.warmth?.start ?? null),
		waited,
		second: answerLaw(warm, second.start),
		slower: stream ? outputSeconds - firstOutput : 0,
		usd: money + congestion + harm + start,
	};
}
