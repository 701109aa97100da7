import { fallbackRank, hash32 } from "../../src/shared/admission/fallback.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type {
	AssignReply,
	AssignRequest,
	Ended,
	Explanation,
	RankedReplica,
	ReplicaName,
	SchedulerPort,
} from "../../src/shared/scheduler/messages.ts";
import type { Seconds, Tokens } from "../../src/shared/units.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import type { Admitted } from "./admit.ts";
import type { Beat } from "./beat.ts";
import type { Mailbox } from "./mailbox.ts";
import { schedulerOf } from "./objects.ts";
import type { RequestTimer } from "./request-timer.ts";

/** Where an attempt goes. */
export interface Choice {
	readonly reservation: string;
	readonly replica: RankedReplica;
	readonly decidedBy: "scheduler" | "fallback";
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	readonly waited: Seconds;
	readonly explanation: Explanation | null;
}

export interface Refused {
	readonly error: IsobarError;
	readonly explanation: Explanation | null;
}

/** What choosing needs of a request, over all its attempts. */
export interface Seeker {
	readonly edge: string;
	readonly env: Env;
	readonly client: AbortSignal;
	readonly timer: RequestTimer;
	readonly beat: Beat;
	/** Seconds that it has stood in waiting rooms: its patience is one for all attempts. */
	waited: Seconds;
}

/** One question to the scheduler. */
export interface Ask {
	/** Makes the reservation's name. */
	readonly number: number;
	/** Another attempt has been made. */
	readonly retry: boolean;
	readonly exclude: readonly ReplicaName[];
}

/** Beyond its waiting time, what a queued request allows the scheduler for its last word. */
const LAST_WORD_SECONDS = 2;
/** A place in the waiting room may be lost when the scheduler is evicted; then the request asks again, so often. */
const ASKS_MAX = 3;
/** The block of a prompt whose chain the fallback hashes: late enough to tell system prompts apart, early enough that the next
 *  turn has the same. */
const FALLBACK_BLOCK = 3;

/** Asks the scheduler for a replica, standing in its waiting room if need be; when it does not answer in its deadline the
 *  stateless fallback decides. */
export async function choose(
	admitted: Admitted,
	question: Ask,
	seeker: Seeker,
): Promise<Result<Choice, Refused | "client_gone">> {
	const { isolate, model } = admitted;
	const { settings, post } = isolate;
	const { env, timer } = seeker;
	let request = assignRequest(admitted, question, seeker);
	const name = schedulerName(model.id);
	const box = post.mailbox(name, Date.now() / 1_000);
	const scheduler = schedulerOf(env, name);

	for (let ask = 0; ask < ASKS_MAX; ask++) {
		const parcel = box.take(Date.now() / 1_000, settings.renewSeconds);
		let reply: AssignReply;
		try {
			const answer = await timer.within(settings.schedulerDeadlineSeconds, scheduler.assign(request, parcel.mail));
			parcel.delivered(answer.bills);
			reply = answer.reply;
		} catch {
			parcel.lost();
			return fallback(admitted, request, box);
		}
		const before = seeker.waited;
		if (reply.kind === "queued") {
			const since = Date.now();
			const turn = await waitTurn(scheduler, request, seeker);
			seeker.waited += (Date.now() - since) / 1_000;
			if (turn === "client_gone") return err(turn);
			if (turn === "lost") {
				request = assignRequest(admitted, question, seeker);
				continue;
			}
			reply = turn;
		}
		if (reply.kind === "refused") return err({ error: reply.error, explanation: reply.explanation });
		if (reply.kind === "queued") continue;
		const { promptTokens, outputTokens, waited, explanation } = reply;
		return ok({
			reservation: request.reservation,
			replica: reply.ranked[0]!,
			decidedBy: "scheduler",
			promptTokens,
			outputTokens,
			waited: before + waited,
			explanation,
		});
	}
	return fallback(admitted, request, box);
}

async function waitTurn(
	scheduler: SchedulerPort,
	request: AssignRequest,
	{ client, timer, beat }: Seeker,
): Promise<AssignReply | "lost" | "client_gone"> {
	const { reservation, policy } = request;
	const gone = new Promise<"client_gone">((resolve) => {
		if (client.aborted) resolve("client_gone");
		else client.addEventListener("abort", () => resolve("client_gone"), { once: true });
	});
	const turn = timer.within(policy.waitingMax + LAST_WORD_SECONDS, scheduler.waitTurn(reservation), beat);
	try {
		const first = await Promise.race([turn, gone]);
		if (first === "client_gone") {
			turn.catch(() => {});
			await scheduler.leave(reservation);
		}
		return first ?? "lost";
	} catch {
		return client.aborted ? "client_gone" : "lost";
	}
}

function fallback(admitted: Admitted, request: AssignRequest, box: Mailbox): Result<Choice, Refused> {
	const { model, isolate } = admitted;
	const ranked = fallbackRank(model, request, beginningHash(admitted), isolate.replicas);
	const replica = ranked.find(({ pool }) => isolate.replicas.mayFallBack(pool, request.retry));
	if (!replica) {
		// The scheduler may reserve a place all the same, later than it was waited for.
		box.ended(unused(request.reservation), () => {});
		const error = isobarError(
			"no_healthy_replica",
			`The scheduler of ${JSON.stringify(model.id)} does not answer and no replica can be chosen without it.`,
			{ retryAfter: 1 },
		);
		return err({ error, explanation: null });
	}
	return ok({
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

/** The first blocks as a number; of a prompt that fills none, its text. */
function beginningHash({ prefix, request: { json, prompt } }: Admitted): number {
	const { words } = prefix.chain;
	const block = Math.min(FALLBACK_BLOCK, words.length / 2 - 1);
	return block >= 0 ? words[2 * block]! : hash32(json.text.slice(prompt.start, prompt.end));
}

function assignRequest(admitted: Admitted, { number, retry, exclude }: Ask, { edge, waited }: Seeker): AssignRequest {
	const { id, key, model, request, policy, catalogVersion, prefix } = admitted;
	return {
		reservation: `${id}.${number}`,
		catalogVersion,
		model: model.id,
		endpoint: request.endpoint,
		tenant: key.tenant,
		key: key.id,
		promptBytes: request.promptBytes,
		longestPromptBytes: request.longestPromptBytes,
		promptTokensMax: Math.max(1, request.promptTokensMax),
		outputTokensMax: admitted.outputTokensMax,
		choiceTokensMax: admitted.choiceTokensMax,
		needs: request.needs,
		stream: request.stream,
		policy: waited > 0 ? { ...policy, waitingMax: Math.max(0, policy.waitingMax - waited) } : policy,
		exclude,
		edge,
		retry,
		prefix: prefix.chain.words,
		prefixUnit: prefix.chain.unit,
		...(prefix.session !== undefined && { session: prefix.session }),
	};
}
