import { isobarError } from "../http/errors.ts";
import { rates } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import type { HedgeTerms } from "../warmth/hedge.ts";
import { roomSeconds, type Decision } from "./decide.ts";
import { countDemand } from "./demand-count.ts";
import { flightRequest } from "./flights.ts";
import type { AssignReply, AssignRequest } from "./messages.ts";
import type { Parts } from "./parts.ts";
import type { Placing } from "./placing.ts";
import { refused } from "./refusals.ts";

/** Sends a request to the best of the decision's replicas: reserves its place there, and remembers what was expected of it.
 *  `waited`: in the waiting room. `hedge`: of a hedge, what decided for it. */
export function place(
	parts: Parts,
	request: AssignRequest,
	decision: Decision,
	circumstances: Placing,
	waited: Seconds,
	now: Seconds,
	hedge?: HedgeTerms,
): AssignReply {
	const { settings, fleet, prefixes, warmths, keeping, hedging, book, flights, counted } = parts;
	const { reservation: id, tenant, key } = request;
	const chosen = decision.ranked[0]!;
	const replica = fleet.get(chosen.replica)!;
	const { promptTokens, outputTokens } = circumstances;
	const before = parts.load(chosen.replica, now);
	const { pendingTokens } = before;
	const running = before.inFlight + 1;
	const cachedTokens = chosen.expectedCachedTokens ?? 0;
	const uncachedTokens = promptTokens - cachedTokens;
	const learned = rates(replica.model, now);
	const room = roomSeconds(replica.roomTokens, before, uncachedTokens + outputTokens, learned);
	const computing = (pendingTokens + uncachedTokens) / learned.prefillTokensPerSecond;
	// A streamed answer says when it has begun; if that word is lost, it is taken as begun some time later.
	const expectedStart = request.stream ? now + 10 + 4 * chosen.expectedTtft : now + chosen.expectedTtft;
	const reserved = book.reserve({
		id,
		replica: chosen.replica,
		tenant,
		key,
		promptTokens,
		uncachedTokens,
		prefix: prefixes.sharedBeginning(replica, request, circumstances.look),
		outputTokens,
		expectedStart,
		pace: { tokensPerSecond: learned.prefillTokensPerSecond, from: now + chosen.expectedTtft - computing },
		now,
		seconds: settings.reservationSeconds,
	});
	// The caller has gone on without this answer, and its request is over already.
	if (reserved === "ended") return refused(isobarError("internal", "The request has ended."));
	replica.meter?.begin(id, promptTokens + outputTokens, now);
	replica.utilisation.add(uncachedTokens / learned.prefillTokensPerSecond, now);
	if (request.retry) replica.retryBudget.withdraw(now);
	else if (!hedge) replica.retryBudget.deposit(now);

	const { ranked, explanation, cold, score } = decision;
	if (!request.retry && !hedge && warmths.any)
		keeping.plan.asked({ at: now, otherwise: decision.otherwise, options: decision.options });
	// A hedge is no further demand, and who waited was counted when he came.
	if (!request.retry && !hedge) {
		if (waited === 0) countDemand(warmths, replica, score, cold, now);
		else if (!counted.has(request)) replica.warmth?.demand.arrived(now);
	}
	if (!hedge && cold.length > 0 && cold.every((each) => each.replica !== replica)) warmths.spilled(cold, score, now);
	const warmth = replica.warmth && warmths.sent(replica, id, chosen, learned.ttftSigma, now);
	const hedgeAfter = hedging.sent(request, fleet, { replica, warmth, chosen }, now);
	const reply: AssignReply = {
		kind: "assigned",
		ranked,
		promptTokens,
		outputTokens,
		waited,
		explanation,
		...(hedgeAfter !== undefined && { hedgeAfter }),
		...(hedge && { hedge }),
	};
	const roundTrip = circumstances.roundTrip(replica);
	flights.set(id, {
		request: flightRequest(request),
		replica,
		assignedAt: now,
		promptTokens,
		outputTokens,
		pendingTokens,
		running,
		roundTrip,
		cachedTokens,
		roomSeconds: room,
		prefix: prefixes.sent(replica, request, circumstances.look),
		headers: null,
		warmth,
		chosen,
		startSeconds: 0,
		reply,
	});
	return reply;
}
