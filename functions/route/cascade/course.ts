import {
	stopBefore,
	type RouteBudget,
	type Spent,
	type StopReason,
} from "../../../src/shared/router/cascade/budget.ts";
import { nanoFromUsd } from "../../../src/shared/money/nano.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import type { RoutePlan } from "../../../src/shared/router/route-plan.ts";
import type { NanoUsd, Seconds } from "../../../src/shared/units.ts";
import { policyAt } from "../auto/route-request.ts";
import type { ModelRoute, Planned } from "../planned.ts";
import type { Call, Prepared, StageRole } from "../prepared.ts";
import { requestId } from "../request-id.ts";
import { send } from "../send.ts";
import { amountOf, sizesOf, worstOf } from "../sizes.ts";
import { StageCall } from "./stage.ts";

/** The requests that are made for one answer: each goes its own way through admission, scheduler, pool and settlement, and all of
 *  them together keep to one budget. */
export class Course {
	readonly prepared: Prepared;
	readonly plan: RoutePlan;
	readonly call: Call;
	readonly budget: RouteBudget;
	readonly #calls: StageCall[] = [];

	constructor(prepared: Prepared, route: ModelRoute, call: Call) {
		const { max_usd: usd, max_seconds: seconds = Infinity, max_calls: calls = Infinity } = route.plan.controls;
		this.prepared = prepared;
		this.plan = route.plan;
		this.call = call;
		this.budget = { nano: usd === undefined ? Infinity : nanoFromUsd(usd), seconds, calls };
	}

	get calls(): readonly StageCall[] {
		return this.#calls;
	}

	get elapsed(): Seconds {
		return Date.now() / 1_000 - this.prepared.startedAt;
	}

	get isLeft(): boolean {
		return this.call.http.signal.aborted;
	}

	/** The key may have but one request in flight: a second call would be refused. */
	get isOneByOne(): boolean {
		return (this.prepared.key.limits.concurrency ?? Infinity) < 2;
	}

	/** By calls that are booked what they cost, by the others the most that they may. */
	get #spent(): Spent {
		let nano: NanoUsd = 0;
		let calls = 0;
		for (const { record, worst, refused, calls: made } of this.#calls) {
			if (refused) continue;
			nano += record ? record.cost_nano_usd : worst;
			calls += made;
		}
		return { nano, seconds: this.elapsed, calls };
	}

	/** Why this request may not be made; null where it may. */
	stopBefore(planned: Planned): StopReason | null {
		return stopBefore(this.budget, this.#spent, planned.need.nano);
	}

	/** The client's request as it goes to one model alone. */
	at(ranked: Ranked): Planned {
		const { route, request } = this.prepared.planned;
		const { key, isolate } = this.prepared;
		const { model } = ranked.option;
		const alone: ModelRoute = {
			...route!,
			plan: { ...this.plan, ranked: [ranked] },
			at: 0,
			full: null,
			isPatient: true,
		};
		const policy = { ...policyAt(alone, ranked), hedge: false };
		const sizes = sizesOf(request, key, model);
		const need = amountOf(worstOf(model, request, policy, sizes, isolate.settings), sizes);
		// Comments that keep a client waiting are the client's, not a stage's.
		const quiet = { ...request, overrides: { ...request.overrides, heartbeats: false } };
		return { request: quiet, model, policy, need, route: alone };
	}

	/** Several may be under way at once, and retries count: each is asked of the budget of all. */
	#mayRetry(stage: StageCall, calls: number): boolean {
		if (stage.calls > calls) return true;
		if (this.#spent.calls + 1 > this.budget.calls) return false;
		stage.calls = calls + 1;
		return true;
	}

	/** Makes one of the requests. The response may be an error of any kind. */
	start(planned: Planned, role: StageRole): { readonly stage: StageCall; readonly response: Promise<Response> } {
		const { http } = this.call;
		const stage = new StageCall(requestId(Date.now()), planned.model.id, role, planned.need.nano);
		this.#calls.push(stage);
		if (http.signal.aborted) stage.cancel();
		else http.signal.addEventListener("abort", () => stage.cancel(), { once: true });
		const own = { url: http.url, headers: http.headers, signal: stage.abort.signal };
		const part = {
			parent: this.prepared.id,
			role,
			mayRetry: (calls: number): boolean => this.#mayRetry(stage, calls),
			booked: (record: StageCall["record"]): void => {
				stage.record = record;
				if (record) stage.calls = Math.max(1, record.attempts.length);
				stage.refused = record === null;
			},
		};
		const prepared: Prepared = {
			...this.prepared,
			id: stage.id,
			planned,
			startedAt: Date.now() / 1_000,
			stage: part,
		};
		const response = send(prepared, { ...this.call, http: own });
		// What it holds is given back though the client hangs up.
		this.call.ctx.waitUntil(response.then(noop, noop));
		return { stage, response };
	}

	/** Calls off all whose answer has not come. */
	cancelRest(): void {
		for (const stage of this.#calls) stage.cancel();
	}
}

function noop(): void {}
