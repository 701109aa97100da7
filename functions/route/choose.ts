import { err, ok, type Result } from "../../src/shared/result.ts";
import type { AssignReply, AssignRequest, SchedulerMail, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { GLOBAL_GROUP } from "../../src/shared/catalog/region-groups.ts";
import { schedulerName, schedulerOptions, type SchedulerPlace } from "../../src/shared/scheduler/name.ts";
import type { Admitted } from "./admit.ts";
import { assignRequest, type Question } from "./assign-request.ts";
import type { Beat } from "./beat.ts";
import { choiceOf, fallback, unused, type Choice, type Refused } from "./choice.ts";
import { schedulerOf } from "./objects.ts";
import type { RequestTimer } from "./request-timer.ts";
import { steadyMs } from "./steady-clock.ts";

/** What choosing needs of a request, over all its attempts. */
export interface Seeker {
	readonly env: Env;
	readonly ctx: Pick<ExecutionContext, "waitUntil">;
	readonly client: AbortSignal;
	readonly timer: RequestTimer;
	readonly beat: Beat;
	/** Seconds that it has stood in waiting rooms: its patience is one for all attempts. */
	waited: Seconds;
}

/** Beyond its waiting time, what a queued request allows the scheduler for its last word. */
const LAST_WORD_SECONDS = 2;
/** A place in the waiting room may be lost when the scheduler is evicted; then the request asks again, so often. */
const ASKS_MAX = 3;

/** How long a request makes calls to a scheduler for others. */
const CARRY_SECONDS = 5;

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
	question: Question,
	seeker: Seeker,
): Promise<Result<Choice, Refused | "client_gone">> {
	const { groups, shard } = admitted.schedulers;
	const asked = new Set<string>();
	let group = groups[0] ?? GLOBAL_GROUP;
	/** The group that has sent the request on, though its own pools will do. */
	let referrer: string | undefined;
	let refusal: Refused | undefined;
	for (;;) {
		const place = { group, shard };
		const request = assignRequest(admitted, question, asked.size > 0);
		asked.add(group);
		const before = seeker.waited;
		const reply = await ask(admitted, referrer === undefined ? request : atOnce(request), place, seeker);
		if (reply === "client_gone") return err(reply);
		if (reply !== "silent" && reply.kind === "assigned") return ok(choiceOf(admitted, request, place, reply, before));
		if (referrer !== undefined) {
			// What was published is seconds old: there is no better place after all, and the first group's is still as good.
			if (reply === "silent") notUsed(admitted, request, place);
			group = referrer;
			referrer = undefined;
			continue;
		}
		if (reply === "silent") return withoutIts(admitted, request, place);
		if (reply.kind === "elsewhere") {
			if (asked.has(reply.group)) return fallback(admitted, request);
			if (!reply.only) referrer = group;
			group = reply.group;
			continue;
		}
		refusal ??= { error: reply.error, explanation: reply.explanation };
		const next = OTHERS_MAY_HELP.has(reply.error.code) ? groups.find((each) => !asked.has(each)) : undefined;
		if (next === undefined) return err(refusal);
		group = next;
	}
}

/** The request as one that waits nowhere. */
function atOnce(request: AssignRequest): AssignRequest {
	return { ...request, policy: { ...request.policy, waitingMax: 0 } };
}

type Answer = Exclude<AssignReply, { kind: "queued" | "unhedged" }>;

/** The scheduler's last word; `silent` when it has none in its deadline. */
async function ask(
	{ isolate, model }: Admitted,
	request: AssignRequest,
	place: SchedulerPlace,
	seeker: Seeker,
): Promise<Answer | "silent" | "client_gone"> {
	const { settings, post } = isolate;
	const { env, ctx, timer } = seeker;
	const name = schedulerName(model.id, place);
	// Of an object that was broken off the stub is of no more use.
	const scheduler = (): SchedulerPort => schedulerOf(env, name, schedulerOptions(model, place));
	const carrier = {
		call: (requests: readonly AssignRequest[], mail: SchedulerMail) => scheduler().assign(requests, mail),
		waitUntil: (call: Promise<void>) => ctx.waitUntil(call),
		until: steadyMs() + CARRY_SECONDS * 1_000,
	};
	const line = post.line(name, Date.now() / 1_000);
	for (let asks = 0; asks < ASKS_MAX; asks++) {
		const seat = line.ask(patient(request, seeker.waited), carrier);
		let reply: AssignReply;
		try {
			reply = await timer.within(settings.schedulerDeadlineSeconds, seat.reply);
		} catch {
			seat.abandon();
			return "silent";
		}
		if (reply.kind === "queued") {
			const since = steadyMs();
			const turn = await waitTurn(scheduler(), request, seeker);
			seeker.waited += (steadyMs() - since) / 1_000;
			if (turn === "client_gone") return turn;
			if (turn === "lost") continue;
			reply = turn;
		}
		if (reply.kind !== "queued" && reply.kind !== "unhedged") return reply;
	}
	return "silent";
}

/** The request with what is left of its patience. */
function patient(request: AssignRequest, waited: Seconds): AssignRequest {
	if (waited === 0) return request;
	const { policy } = request;
	return { ...request, policy: { ...policy, waitingMax: Math.max(0, policy.waitingMax - waited) } };
}

async function waitTurn(
	scheduler: SchedulerPort,
	request: AssignRequest,
	{ client, timer, beat, waited }: Seeker,
): Promise<AssignReply | "lost" | "client_gone"> {
	const { reservation, policy } = request;
	const gone = new Promise<"client_gone">((resolve) => {
		if (client.aborted) resolve("client_gone");
		else client.addEventListener("abort", () => resolve("client_gone"), { once: true });
	});
	const patience = Math.max(0, policy.waitingMax - waited) + LAST_WORD_SECONDS;
	const turn = timer.within(patience, scheduler.waitTurn(reservation), beat);
	try {
		const first = await Promise.race([turn, gone]);
		if (first === "client_gone") {
			turn.catch(() => {});
			await scheduler.leave(reservation);
		}
		return first ?? "lost";
	} catch {
		if (client.aborted) return "client_gone";
		// One that should have said by now that the time is over, and may be there: its clock was set back. What is asked for anew is
		// asked by ours.
		void scheduler.leave(reservation).catch(() => {});
		return "lost";
	}
}

/** The fallback's choice in place of a scheduler's that may reserve all the same, later than it was waited for: it hears that
 *  nothing came of that, where it will not hear from the request itself. */
function withoutIts(admitted: Admitted, request: AssignRequest, place: SchedulerPlace): Result<Choice, Refused> {
	const chosen = fallback(admitted, request);
	if (!chosen.ok || chosen.value.scheduler !== schedulerName(admitted.model.id, place)) {
		notUsed(admitted, request, place);
	}
	return chosen;
}

/** Tells a scheduler that nothing came of what it may have reserved. */
function notUsed({ isolate, model }: Admitted, { reservation }: AssignRequest, place: SchedulerPlace): void {
	isolate.post.mailbox(schedulerName(model.id, place), Date.now() / 1_000).ended(unused(reservation), () => {});
}
