import { isobarError, type ErrorCode, type IsobarError } from "../../../src/shared/http/errors.ts";
import type { RequestRecord } from "../../../src/shared/ledger/messages.ts";
import { err, ok, type Result } from "../../../src/shared/result.ts";
import { promptHash } from "../../../src/shared/router/explain-route.ts";
import type { Feedback } from "../../../src/shared/router/feedback.ts";
import type { Outcome } from "../../../src/shared/router/outcome.ts";
import { RULE_MODEL } from "../../../src/shared/router/canned.ts";
import { routedAnswer, type RouterAnswer } from "../../../src/shared/router/routed-answer.ts";
import { thisIsolate } from "../isolate.ts";
import { findRecord, notOnRecord, unreachable } from "../records.ts";
import { requestTimeMs } from "../request-id.ts";

/** What was said, joined with what the request's own record tells; which router it is for. */
export interface Heard {
	readonly router: string;
	readonly outcome: Outcome;
}

/** Looks the request up in the tenant's ledger, which knows no other tenant's. Of what the client sends only the id and the word
 *  itself are used: the model, its propensity and the domains are the record's. */
export async function heard(
	{ request, source, said }: Feedback,
	tenant: string,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<Heard, IsobarError>> {
	const found = await answerOf(request, "request_id", tenant, env, ctx);
	if (!found.ok) return found;
	const { router, answer } = found.value;
	if ("score" in said) return ok({ router, outcome: { ...answer, source, score: said.score, over: null } });
	const other = await answerOf(said.over, "preference.over", tenant, env, ctx);
	if (!other.ok) return other;
	const refusal = incomparable(found.value, other.value);
	if (refusal) return err(refusal);
	const over = { request: said.over, model: other.value.answer.model };
	return ok({ router, outcome: { ...answer, source, score: 1, over } });
}

async function answerOf(
	id: string,
	param: string,
	tenant: string,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<RouterAnswer, IsobarError>> {
	const { settings } = thisIsolate(env);
	const expired = expiredBy(id, settings.recordHours);
	if (expired) return err({ ...expired, param });
	let record;
	try {
		record = await findRecord(tenant, id, env, ctx);
	} catch {
		return err(unreachable());
	}
	if (!record) return err({ ...notOnRecord(id, settings), param });
	const answer = routedAnswer(record);
	if (answer.ok) return answer;
	return err(isobarError(answer.error, unlearnable(record, answer.error), { param }));
}

function unlearnable({ id, model, error, outcome }: RequestRecord, why: ErrorCode): string {
	if (why === "request_not_answered")
		return `The request ${id} was not answered (${error ?? outcome}): nothing can be said of its answer.`;
	return model === RULE_MODEL
		? `The request ${id} was answered by a rule: there is no model to learn of.`
		: `The request ${id} named its model: there is no router that could learn from it.`;
}

/** An id holds its time; it says nothing of whose it is. */
function expiredBy(id: string, recordHours: number): IsobarError | null {
	const at = requestTimeMs(id);
	if (at === null || Date.now() - at <= (recordHours + 1) * 3_600_000) return null;
	const message = `The request ${id} is older than its record, which is kept ${recordHours} hours.`;
	return isobarError("request_expired", message, { details: { record_hours: recordHours } });
}

function incomparable(one: RouterAnswer, two: RouterAnswer): IsobarError | null {
	const wrong = (message: string): IsobarError => isobarError("prompts_differ", message, { param: "preference.over" });
	if (one.router !== two.router) return wrong("The two answers are of different routers.");
	if (one.answer.prompt !== two.answer.prompt) return wrong("The two answers are to different prompts.");
	if (one.answer.prompt === promptHash("")) return wrong("The prompts have no text by which they could be compared.");
	if (one.answer.model !== two.answer.model) return null;
	return wrong("Both answers are of the same model, so that nothing is compared.");
}
