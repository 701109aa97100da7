import { nanoFromUsd } from "../../../src/shared/money/nano.ts";
import { dayOf } from "../../../src/shared/ledger/periods.ts";
import { answerText } from "../../../src/shared/router/answer-text.ts";
import type { RouteExplanation } from "../../../src/shared/router/explanation.ts";
import { judgeMessages, verdictIn } from "../../../src/shared/router/judge.ts";
import type { PlannedShadow } from "../../../src/shared/router/route-plan.ts";
import { routedAnswer } from "../../../src/shared/router/routed-answer.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";
import type { Admitted } from "../admit.ts";
import { routerOf } from "../auto/views.ts";
import type { ModelRoute } from "../planned.ts";
import type { Call, Caller } from "../prepared.ts";
import { readRequest } from "../read-request.ts";
import { withinDeadline } from "../objects.ts";
import { findRecord } from "../records.ts";
import { requestId } from "../request-id.ts";
import { sizesOf, worstOf } from "../sizes.ts";
import { completeBeside } from "./beside.ts";
import { overhear } from "./overheard.ts";
import { judgeBody, shadowBody } from "./shadow-body.ts";

/** A pool that is paid by the second is paid when its scheduler has told the share. */
const PAID_SECONDS = 5;

type Body = NonNullable<ReturnType<typeof shadowBody>>;

/** The answer of a request whose prompt a second model is sent once the client has its answer. */
export async function shadowed(
	admitted: Admitted,
	dispatch: { answer(): Promise<Response> },
	call: Pick<Call, "http" | "env" | "ctx">,
): Promise<Response> {
	const { route } = admitted;
	const planned = route?.plan.shadow;
	// What is needed of the prompt is taken now: it is gone when the answer has begun.
	const body = planned && shadowBody(admitted.request.json.bytes, planned.model, route.plan.controls);
	const answer = await dispatch.answer();
	if (!body || answer.status !== 200) return answer;
	const { response, text } = overhear(answer);
	const shadow = new Shadow(admitted, route, planned, body, call);
	call.ctx.waitUntil(
		text
			.then((first) => (first === null ? undefined : shadow.run(first)))
			.catch((error: unknown) => {
				const reason = error instanceof Error ? error.message : String(error);
				console.warn(JSON.stringify({ event: "shadow", id: planned.id, error: reason }));
			}),
	);
	return response;
}

/** The second model's request, and where the router has a judge, what it says of the two answers. They are kept no longer than
 *  that. */
class Shadow {
	readonly #admitted: Pick<Admitted, "id" | "key" | "policy" | "isolate" | "edge">;
	readonly #endpoint: Endpoint;
	readonly #route: ModelRoute;
	readonly #planned: PlannedShadow;
	readonly #body: Body;
	readonly #http: Caller;
	readonly #env: Env;
	readonly #ctx: ExecutionContext;

	constructor(
		admitted: Admitted,
		route: ModelRoute,
		planned: PlannedShadow,
		body: Body,
		{ http, env, ctx }: Pick<Call, "http" | "env" | "ctx">,
	) {
		const { id, key, policy, isolate, edge } = admitted;
		this.#admitted = { id, key, policy, isolate, edge };
		this.#endpoint = admitted.request.endpoint;
		this.#route = route;
		this.#planned = planned;
		this.#body = body;
		this.#http = http;
		this.#env = env;
		this.#ctx = ctx;
	}

	async run(firstBody: string): Promise<void> {
		const { id, propensity, text } = this.#planned;
		const { explanation } = this.#route.plan;
		const { router, prompt, domains, in_domain } = explanation;
		const second = await this.#ask(id, this.#endpoint, this.#planned.model, this.#body, (own) => ({
			...own,
			router,
			prompt,
			domains,
			in_domain,
			propensity,
			explored: false,
			shadow_of: this.#admitted.id,
		}));
		const judge = this.#route.plan.router.judge;
		const answers = [answerText(firstBody), second === null ? null : answerText(second)] as const;
		if (judge === undefined || text === "" || answers[0] === null || answers[1] === null) return;
		const swapped = Math.random() < 0.5;
		const mark = `m${crypto.randomUUID().replaceAll("-", "")}`;
		const messages = judgeMessages(text, [answers[0], answers[1]], swapped, mark);
		const body = judgeBody(this.#body, judge, messages, this.#route.plan.controls);
		const reply = await this.#ask(requestId(Date.now()), "chat", judge, body, (own) => ({ ...own, judge_of: id }));
		const verdict = reply === null ? null : verdictIn(answerText(reply) ?? "", swapped);
		if (verdict) await this.#tell(id, verdict.first, verdict.second);
	}

	/** One request beside the client's, within the day's budget; its answer, or null. */
	async #ask(
		id: string,
		endpoint: Endpoint,
		model: string,
		body: Body,
		explain: (own: RouteExplanation) => RouteExplanation,
	): Promise<string | null> {
		const text = JSON.stringify(body);
		const worst = this.#worst(endpoint, model, new TextEncoder().encode(text));
		const budget = nanoFromUsd(this.#route.plan.router.shadow?.budget_usd_per_day ?? 0);
		const port = routerOf(this.#env, this.#admitted.key.tenant, this.#route.plan.router.id);
		if (worst === null || !(await port.shadow({ id, day: dayOf(Date.now() / 1_000), worst, budget }))) return null;
		const headers = headersFrom(this.#http.headers);
		const http = new Request(this.#http.url, { method: "POST", headers, body: text });
		const { edge } = this.#admitted;
		const paid = Promise.withResolvers<void>();
		const pay = (nano: number): void => void port.shadowPaid(id, nano).then(paid.resolve, paid.reject);
		const response = await completeBeside(
			{ id, endpoint, http, edge, explain, booked: (record) => pay(record?.cost_nano_usd ?? 0) },
			this.#env,
			this.#ctx,
		);
		const answer = await response.text();
		// The next request beside this one is held against what this one leaves of the budget. What is not paid stays held.
		await withinDeadline(PAID_SECONDS, paid.promise).catch(() => {});
		return response.status === 200 ? answer : null;
	}

	/** What it may cost; null where it cannot be sent. */
	#worst(endpoint: Endpoint, id: string, bytes: Uint8Array): number | null {
		const { key, policy, isolate } = this.#admitted;
		const read = readRequest(endpoint, bytes);
		const model = this.#route.snapshot.models.get(id);
		if (!read.ok || !model) return null;
		return worstOf(model, read.value, policy, sizesOf(read.value, key, model), isolate.settings);
	}

	async #tell(shadow: string, first: number, second: number): Promise<void> {
		const { id, key } = this.#admitted;
		const records = await Promise.all([id, shadow].map((each) => findRecord(key.tenant, each, this.#env, this.#ctx)));
		const outcomes = records.flatMap((record, index) => {
			const answer = record && routedAnswer(record);
			if (!answer?.ok) return [];
			return [{ ...answer.value.answer, source: "router" as const, score: index === 0 ? first : second, over: null }];
		});
		if (outcomes.length < 2) return;
		await routerOf(this.#env, key.tenant, this.#route.plan.router.id).tell(outcomes);
	}
}

/** Whose request it is, and through which gateways it has come. */
function headersFrom(headers: Headers): Headers {
	const kept = new Headers({ "content-type": "application/json" });
	for (const name of ["authorization", "x-api-key", "api-key", "x-isobar-hops"]) {
		const value = headers.get(name);
		if (value !== null) kept.set(name, value);
	}
	return kept;
}
