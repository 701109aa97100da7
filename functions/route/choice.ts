import { fallbackRank } from "../../src/shared/admission/fallback.ts";
import { GLOBAL_GROUP } from "../../src/shared/catalog/region-groups.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { conversationHash } from "../../src/shared/kv/conversation.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type { Explanation } from "../../src/shared/scheduler/explanation.ts";
import type { AssignReply, AssignRequest, Ended, RankedReplica } from "../../src/shared/scheduler/messages.ts";
import { schedulerName, type SchedulerPlace } from "../../src/shared/scheduler/name.ts";
import type { Seconds, Tokens } from "../../src/shared/units.ts";
import type { Admitted } from "./admit.ts";

/** Where an attempt goes. */
export interface Choice {
	/** Name of the scheduler that has to hear of it. */
	readonly scheduler: string;
	readonly reservation: string;
	readonly replica: RankedReplica;
	readonly decidedBy: "scheduler" | "fallback";
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	readonly waited: Seconds;
	readonly explanation: Explanation | null;
	/** Seconds without an answer after which the scheduler is to be asked for a hedge. */
	readonly hedgeAfter?: Seconds;
}

export interface Refused {
	readonly error: IsobarError;
	readonly explanation: Explanation | null;
}

/** A scheduler's. `before`: seconds that it has waited elsewhere. */
export function choiceOf(
	{ model }: Admitted,
	request: AssignRequest,
	place: SchedulerPlace,
	reply: Extract<AssignReply, { kind: "assigned" }>,
	before: Seconds,
): Choice {
	const { promptTokens, outputTokens, waited, explanation, hedgeAfter } = reply;
	return {
		scheduler: schedulerName(model.id, place),
		reservation: request.reservation,
		replica: reply.ranked[0]!,
		decidedBy: "scheduler",
		promptTokens,
		outputTokens,
		waited: before + waited,
		explanation,
		...(hedgeAfter !== undefined && { hedgeAfter }),
	};
}

/** Without a scheduler. */
export function fallback(admitted: Admitted, request: AssignRequest): Result<Choice, Refused> {
	const { model, isolate } = admitted;
	const { endpoint, json, members } = admitted.request;
	const ranked = fallbackRank(model, request, conversationHash(endpoint, json, members), isolate.replicas);
	const replica = ranked.find(({ pool }) => isolate.replicas.mayFallBack(pool, request.retry));
	if (!replica) {
		const error = isobarError(
			"no_healthy_replica",
			`The scheduler of ${JSON.stringify(model.id)} does not answer and no replica can be chosen without it.`,
			{ retryAfter: 1 },
		);
		return err({ error, explanation: null });
	}
	const group = model.replicas.find(({ name }) => name === replica.replica)?.pool.group ?? GLOBAL_GROUP;
	return ok({
		scheduler: schedulerName(model.id, { group, shard: admitted.schedulers.shard }),
		reservation: request.reservation,
		replica,
		decidedBy: "fallback",
		promptTokens: Math.min(request.promptTokensMax, Math.ceil(request.promptBytes / 4)),
		outputTokens: request.outputTokensMax,
		waited: 0,
		explanation: null,
	});
}

/** Ends a reservation, if there is one, of which no use was made: it says nothing about the replica. */
export function unused(reservation: string): Ended {
	return {
		reservation,
		outcome: "failed",
		ttft: null,
		seconds: 0,
		promptTokens: null,
		cachedTokens: null,
		outputTokens: null,
	};
}
