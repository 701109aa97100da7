import { errorResponse, isobarError, type IsobarError } from "../../../src/shared/http/errors.ts";
import { usdFromNano } from "../../../src/shared/money/nano.ts";
import type { StopReason } from "../../../src/shared/router/cascade/budget.ts";
import { ROUTE_FIELD, ROUTE_HEADER } from "../../../src/shared/router/controls.ts";
import type { CourseExplanation } from "../../../src/shared/router/explanation.ts";
import { routeText } from "../../../src/shared/router/route-text.ts";
import type { Usd } from "../../../src/shared/units.ts";
import { settleFree, type FreePart } from "../free-record.ts";
import { passedOn } from "../passed-on.ts";
import { remember } from "../settle.ts";
import type { Course } from "./course.ts";
import type { Ended } from "./ended.ts";
import type { StageCall } from "./stage.ts";

/** Nginx's status for a client that hung up. */
const CLIENT_CLOSED_REQUEST = 499;

/** The client's answer, and the record of the whole once it has ended. */
export function finish(course: Course, ended: Ended): Response {
	const { answer, stage } = ended;
	if (course.isLeft) {
		record(course, ended, { status: CLIENT_CLOSED_REQUEST, outcome: "client_gone", model: modelOf(course, stage) });
		return new Response(null, { status: CLIENT_CLOSED_REQUEST });
	}
	if (!answer || !stage) return failed(course, ended, errorFor(course, ended));
	stage.accepted = answer.status === 200;
	const headers = headersOf(course, ended, answer.headers);
	const { status } = answer;
	const isOk = status === 200;
	const part = { status, model: stage.model };
	const told = (): FreePart => {
		const { outcome = isOk ? "ok" : "failed", error = null } = stage.record ?? {};
		return { ...part, outcome, error };
	};
	if (!(answer instanceof Response)) {
		record(course, ended, told());
		return new Response(answer.body, { status, headers });
	}
	const onEnd = (): void => {
		stage.end();
		record(course, ended, told());
	};
	if (answer.body) return new Response(passedOn(answer.body, onEnd), { status, headers });
	onEnd();
	return new Response(null, { status, headers });
}

function modelOf({ plan }: Course, stage: StageCall | null): string {
	return stage?.model ?? plan.explanation.chosen;
}

function failed(course: Course, ended: Ended, error: IsobarError): Response {
	const response = errorResponse(error, course.prepared.id);
	for (const [name, value] of Object.entries(courseHeaders(course, ended))) response.headers.set(name, value);
	const model = modelOf(course, ended.stage);
	record(course, ended, { status: response.status, outcome: "failed", error: error.code, model });
	return response;
}

const CONTROL: Readonly<Record<StopReason, string>> = {
	budget: "max_usd",
	time: "max_seconds",
	calls: "max_calls",
};

function errorFor({ budget, plan, prepared }: Course, { stop }: Ended): IsobarError {
	if (stop === null) return isobarError("upstream_failed", "No model that was asked has given a whole answer.");
	const { route } = prepared.planned.request;
	const { inHeader = [] } = route ?? {};
	const param = `${inHeader.includes(CONTROL[stop]) ? ROUTE_HEADER : ROUTE_FIELD}.${CONTROL[stop]}`;
	const asked = { budget: usdFromNano(budget.nano), time: budget.seconds, calls: budget.calls }[stop];
	const message = `${param}: ${asked} does not suffice for any call of this ${plan.mode}: there is no answer yet that could be given.`;
	return isobarError("constraint_unmet", message, { param, details: { stop } });
}

/** The accepted answer's own, but for what is told of the request as a whole. */
function headersOf(course: Course, ended: Ended, own: Headers): Headers {
	const headers = new Headers(own);
	headers.set("x-isobar-request-id", course.prepared.id);
	for (const [name, value] of Object.entries(courseHeaders(course, ended))) headers.set(name, value);
	return headers;
}

/** Over all calls; the cost of one that has not ended is what it is expected to be. */
function courseHeaders({ plan, calls }: Course, { stop, answer }: Ended): Record<string, string> {
	const expected = Number(answer?.headers.get("x-isobar-expected-cost-usd") ?? 0);
	let usd: Usd = 0;
	for (const { record, refused } of calls) usd += record ? usdFromNano(record.cost_nano_usd) : refused ? 0 : expected;
	return {
		"x-isobar-router": plan.router.id,
		"x-isobar-route-mode": plan.mode,
		"x-isobar-route-calls": String(calls.filter(({ refused }) => !refused).length),
		"x-isobar-route-cost-usd": usd.toFixed(9),
		...(stop && { "x-isobar-route-stop": stop }),
	};
}

function record(course: Course, ended: Ended, part: FreePart): void {
	const { prepared, plan, calls, call } = course;
	const explanation: CourseExplanation = {
		why: ended.why,
		probability: ended.probability,
		stop: ended.stop,
		guard: ended.guard,
		stages: calls.map(({ id, model, role, accepted, fault, seconds, record: own, refused }) => ({
			id,
			model,
			role,
			accepted,
			fault,
			usd: own ? usdFromNano(own.cost_nano_usd) : refused ? 0 : null,
			seconds,
		})),
	};
	const accepted = ended.stage?.record;
	if (accepted) remember(prepared.isolate, plan, accepted);
	settleFree(prepared, call, {
		...part,
		calls: calls.filter(({ refused }) => !refused).map(({ id }) => id),
		route: routeText({ ...plan.explanation, chosen: part.model, course: explanation }),
	});
}
