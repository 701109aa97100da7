import type { CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import type { HedgeRecord } from "../../src/shared/ledger/messages.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type { AssignReply, AssignRequest, ReplicaName } from "../../src/shared/scheduler/messages.ts";
import type { NanoUsd, Seconds } from "../../src/shared/units.ts";
import type { HedgeTerms } from "../../src/shared/warmth/hedge.ts";
import { reserve, type Admitted } from "./admit.ts";
import { unused, type Choice } from "./choice.ts";
import { assignRequest } from "./assign-request.ts";
import { schedulerOf, withinDeadline } from "./objects.ts";
import type { Hold } from "./purse.ts";
import { worstNano } from "./worst-nano.ts";

/** A place elsewhere, and the money for it. */
export interface Granted {
	readonly choice: Choice;
	readonly replica: CatalogReplica;
	readonly hold: Hold;
	readonly terms: HedgeTerms | null;
}

export interface Denied {
	readonly reason: NonNullable<HedgeRecord["refused"]>;
	/** Seconds after which it may be asked again. */
	readonly again: Seconds | null;
	readonly terms: HedgeTerms | null;
}

/** Asks the scheduler that `first` is reserved with for a place elsewhere, and the ledger for the money: at most what that pool can
 *  cost. A hedge is no request of the client's, so it takes none of the key's requests or places. */
export async function askForHedge(
	admitted: Admitted,
	first: Choice,
	exclude: readonly ReplicaName[],
	env: Env,
	ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<Result<Granted, Denied>> {
	const { isolate, key, model } = admitted;
	const request = hedgeRequest(admitted, first, exclude);
	const reply = await ask(admitted, first, request, env);
	if (reply === null) return denied("scheduler_unavailable");
	if (reply.kind === "unhedged") return denied(reply.reason, reply.again, reply.terms);
	if (reply.kind !== "assigned") return denied("no_candidate");
	const { ranked, promptTokens, outputTokens, explanation, hedge: terms = null } = reply;
	const [chosen] = ranked;
	const replica = model.replicas.find(({ name }) => name === chosen?.replica);
	if (!chosen || !replica) {
		giveBack(admitted, first.scheduler, request.reservation);
		return denied("catalog_unavailable", null, terms);
	}
	const need = { nano: worstAt(admitted, replica), requests: 0, tokens: admitted.hold.amount.tokens, slots: 0 };
	const held = await reserve(isolate, key, need, env, (promise) => ctx.waitUntil(promise));
	if (!held.ok) {
		giveBack(admitted, first.scheduler, request.reservation);
		return denied(held.error.code, null, terms);
	}
	const choice: Choice = {
		scheduler: first.scheduler,
		reservation: request.reservation,
		replica: chosen,
		decidedBy: "scheduler",
		promptTokens,
		outputTokens,
		waited: first.waited,
		explanation,
	};
	return ok({ choice, replica, hold: held.value, terms });
}

/** Ends a reservation of which no use is made. */
export function giveBack({ isolate }: Admitted, scheduler: string, reservation: string): void {
	isolate.post.mailbox(scheduler, Date.now() / 1_000).ended(unused(reservation), () => {});
}

/** The ceiling is for both together. */
function hedgeRequest(admitted: Admitted, first: Choice, exclude: readonly ReplicaName[]): AssignRequest {
	const request = assignRequest(admitted, { number: 0, retry: false, exclude }, true);
	const { priceCeiling } = request.policy;
	const left = priceCeiling === null ? null : Math.max(0, priceCeiling - first.replica.expectedUsd);
	return {
		...request,
		reservation: `${admitted.id}.h`,
		hedge: { of: first.reservation },
		policy: { ...request.policy, priceCeiling: left },
	};
}

/** Null when the scheduler does not answer in its deadline: what it may reserve after that is given back. */
async function ask(
	admitted: Admitted,
	{ scheduler }: Choice,
	request: AssignRequest,
	env: Env,
): Promise<AssignReply | null> {
	const { settings, post } = admitted.isolate;
	const parcel = post.mailbox(scheduler, Date.now() / 1_000).take(Date.now() / 1_000, settings.renewSeconds);
	try {
		const answer = await withinDeadline(
			settings.schedulerDeadlineSeconds,
			schedulerOf(env, scheduler).assign([request], parcel.mail),
		);
		parcel.delivered(answer.bills);
		return answer.replies[0] ?? null;
	} catch {
		parcel.lost();
		giveBack(admitted, scheduler, request.reservation);
		return null;
	}
}

function worstAt(admitted: Admitted, { pool }: CatalogReplica): NanoUsd {
	const { model, request, policy, isolate, choiceTokensMax, outputTokensMax } = admitted;
	const sizes = { choiceTokensMax, outputTokensMax, timeout: isolate.settings.totalTimeoutSeconds };
	return worstNano({ ...model, pools: [pool] }, request, policy, sizes);
}

function denied(
	reason: Denied["reason"],
	again: Seconds | null = null,
	terms: HedgeTerms | null = null,
): Result<never, Denied> {
	return err({ reason, again, terms });
}
