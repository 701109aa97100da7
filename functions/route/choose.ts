import { fallbackRank } from "../../src/shared/admission/fallback.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { conversationHash } from "../../src/shared/kv/conversation.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type {
	AssignReply,
	AssignRequest,
	Explanation,
	RankedReplica,
	ReplicaName,
	SchedulerPort,
} from "../../src/shared/scheduler/messages.ts";
import type { Seconds, Tokens } from "../../src/shared/units.ts";
import { GLOBAL_GROUP } from "../../src/shared/catalog/region-groups.ts";
import { schedulerName, type SchedulerPlace } from "../../src/shared/scheduler/name.ts";
import type { Admitted } from "./admit.ts";
import { schedulerOf } from "./objects.ts";
import type { RequestTimer } from "./request-timer.ts";

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
}

export interface Refused {
	readonly error: IsobarError;
	readonly explanation: Explanation | null;
}

/** Beyond its waiting time, what a queued request allows the scheduler for its last word. */
const LAST_WORD_SECONDS = 2;
/** A place in the waiting room may be lost when the scheduler is evicted; then the request asks again, so often. */
const ASKS_MAX = 3;

/** What a scheduler has to tell that another group's may see otherwise: no replica of its own will do. */
const OTHERS_MAY_HELP: ReadonlySet<string> = new Set([
	"capability_missing",
	"constraint_unmet",
	"context_too_long",
	"no_healthy_replica",
]);

/** Asks the scheduler of the edge's own region group for a replica, and others when it sends there or has none that will do;
 *  stands in a waiting room if need be. When one does not answer in its deadline the stateless fallback decides. */
export async function choose(
	admitted: Admitted,
	attempt: number,
	exclude: readonly ReplicaName[],
	env: Env,
	client: AbortSignal,
	timer: RequestTimer,
): Promise<Result<Choice, Refused | "client_gone">> {
	const { groups, shard } = admitted.schedulers;
	const asked = new Set<string>();
	let group = groups[0] ?? GLOBAL_GROUP;
	let refusal: Refused | undefined;
	for (;;) {
		const place = { group, shard };
		const request = assignRequest(admitted, attempt, exclude, place, asked.size > 0);
		asked.add(group);
		const reply = await ask(admitted, request, place, env, client, timer);
		if (reply === "client_gone") return err(reply);
		if (reply === "silent") return fallback(admitted, request);
		if (reply.kind === "assigned") return ok(choiceOf(admitted, request, place, reply));
		if (reply.kind === "elsewhere") {
			if (asked.has(reply.group)) return fallback(admitted, request);
			group = reply.group;
			continue;
		}
		refusal ??= { error: reply.error, explanation: reply.explanation };
		const next = OTHERS_MAY_HELP.has(reply.error.code) ? groups.find((each) => !asked.has(each)) : undefined;
		if (next === undefined) return err(refusal);
		group = next;
	}
}

type Answer = Exclude<AssignReply, { kind: "queued" }>;

/** The scheduler's last word; `silent` when it has none in its deadline. */
async function ask(
	{ isolate, model }: Admitted,
	request: AssignRequest,
	place: SchedulerPlace,
	env: Env,
	client: AbortSignal,
	timer: RequestTimer,
): Promise<Answer | "silent" | "client_gone"> {
	const { settings, post } = isolate;
	const name = schedulerName(model.id, place);
	const box = post.mailbox(name, Date.now() / 1_000);
	const scheduler = schedulerOf(env, name);
	for (let asks = 0; asks < ASKS_MAX; asks++) {
		const parcel = box.take(Date.now() / 1_000, settings.renewSeconds);
		let reply: AssignReply;
		try {
			const answer = await timer.within(settings.schedulerDeadlineSeconds, scheduler.assign(request, parcel.mail));
			parcel.delivered(answer.bills);
			reply = answer.reply;
		} catch {
			parcel.lost();
			return "silent";
		}
		if (reply.kind === "queued") {
			const turn = await waitTurn(scheduler, request, client, timer);
			if (turn === "client_gone") return turn;
			if (turn === "lost") continue;
			reply = turn;
		}
		if (reply.kind !== "queued") return reply;
	}
	return "silent";
}

function choiceOf(
	{ model }: Admitted,
	request: AssignRequest,
	place: SchedulerPlace,
	reply: Extract<AssignReply, { kind: "assigned" }>,
): Choice {
	const { promptTokens, outputTokens, waited, explanation } = reply;
	return {
		scheduler: schedulerName(model.id, place),
		reservation: request.reservation,
		replica: reply.ranked[0]!,
		decidedBy: "scheduler",
		promptTokens,
		outputTokens,
		waited,
		explanation,
	};
}

async function waitTurn(
	scheduler: SchedulerPort,
	request: AssignRequest,
	client: AbortSignal,
	timer: RequestTimer,
): Promise<AssignReply | "lost" | "client_gone"> {
	const { reservation, policy } = request;
	const gone = new Promise<"client_gone">((resolve) => {
		if (client.aborted) resolve("client_gone");
		else client.addEventListener("abort", () => resolve("client_gone"), { once: true });
	});
	const turn = timer.within(policy.waitingMax + LAST_WORD_SECONDS, scheduler.waitTurn(reservation));
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

function fallback(admitted: Admitted, request: AssignRequest): Result<Choice, Refused> {
	const { model, isolate } = admitted;
	const { endpoint, json, members } = admitted.request;
	const [replica] = fallbackRank(model, request, conversationHash(endpoint, json, members), isolate.replicas);
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

function assignRequest(
	admitted: Admitted,
	attempt: number,
	exclude: readonly ReplicaName[],
	place: SchedulerPlace,
	referred: boolean,
): AssignRequest {
	const { id, key, model, request, policy, catalogVersion, prefix, edge } = admitted;
	return {
		reservation: `${id}.${attempt}`,
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
		policy,
		exclude,
		edge: edge.name,
		retry: attempt > 1,
		place,
		...(referred && { referred }),
		prefix: prefix.chain.words,
		prefixUnit: prefix.chain.unit,
		...(prefix.session !== undefined && { session: prefix.session }),
	};
}
