import { describe, expect, test } from "vitest";
import type { RouterState } from "../../src/shared/router/messages.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { errorOf, MARK, startTestGateway } from "./helpers/test-gateway.ts";

const FLEET = ["a", "b"].map((name) => ({ name: `${name}/x`, model: name, speed: 0 }));
const gateway = await startTestGateway({
	key: { tenant: "ours" },
	replicas: FLEET,
	catalog: (urls) => ({
		...catalogOf(FLEET.map(({ model }) => poolOf(model, model, urlsOf(urls, model)))),
		routers: [
			{ id: "default", models: ["a", "b"], incumbent: "a" },
			{ id: "ruled", incumbent: "a", rules: [{ id: "any", contains_any: [MARK], answer: "Yes." }] },
		],
	}),
});
const theirs = await gateway.createKey({ tenant: "theirs" });

async function routed(model: unknown = "auto", key = gateway.key): Promise<string> {
	const answer = await gateway.chat(model as string, {}, { key });
	await answer.text();
	return answer.headers.get("x-isobar-request-id")!;
}

const tell = (body: unknown, key = gateway.key): Promise<Response> => gateway.post("/feedback", body, { key });
const refusal = async (body: unknown, key?: string) => {
	const answer = await tell(body, key);
	return { status: answer.status, ...(await errorOf(answer)) };
};

async function state(tenant: string, router = "default"): Promise<RouterState> {
	const answer = await fetch(`${gateway.isobar.url}/admin/routers/${router}?tenant=${tenant}`, {
		headers: { authorization: "Bearer test-admin-token" },
	});
	return (await answer.json()) as RouterState;
}

describe("feedback", () => {
	test("joins the word with what the record tells, and counts once", async () => {
		const id = await routed();
		const answer = await tell({ request_id: id, label: "good" });
		expect(answer.status).toBe(200);
		expect(await answer.json()).toEqual({
			object: "feedback",
			request_id: id,
			router: "default",
			model: "a",
			source: "user",
			score: 1,
			may_move: false,
		});
		await tell({ request_id: id, score: 0.25 });
		expect((await state("ours")).observed).toEqual([{ model: "a", n: 1, s: 0.25 }]);
	});

	test("on a rule's answer is of no model, and refused", async () => {
		const ruled = await gateway.chat("auto:ruled");
		expect(ruled.headers.get("x-isobar-rule")).toBe("any");
		const id = ruled.headers.get("x-isobar-request-id")!;
		expect(await refusal({ request_id: id, score: 1 })).toMatchObject({ status: 409, code: "request_not_routed" });
		expect((await state("ours", "ruled")).observed).toEqual([]);
	});

	test("may be a list, of which each word has a result of its own", async () => {
		const [one, two, named] = await Promise.all([routed(), routed(), routed("a")]);
		const answer = await tell({
			feedback: [
				{ request_id: one, score: 1 },
				{ request_id: named, score: 1 },
				{ request_id: two, score: 2 },
				{ request_id: two, label: "acceptable", source: "judge" },
			],
		});
		expect(answer.status).toBe(200);
		const { data } = (await answer.json()) as { data: { error?: { code: string; param: string } }[] };
		expect(data).toMatchObject([
			{ request_id: one, score: 1 },
			{ error: { code: "request_not_routed", param: "request_id" } },
			{ error: { code: "invalid_request", param: "feedback[2].score" } },
			{ request_id: two, score: 0.5, source: "judge" },
		]);
	});

	test("may prefer one answer to another one to the same prompt", async () => {
		const [one, two] = [await routed(["a"]), await routed(["b"])];
		const answer = await tell({ request_id: two, preference: { over: one } });
		expect(await answer.json()).toMatchObject({ router: "list", model: "b", preferred_to: one, may_move: true });
		expect(await refusal({ request_id: one, preference: { over: await routed(["a"]) } })).toMatchObject({
			status: 422,
			code: "prompts_differ",
		});
	});
});

describe("feedback that is refused", () => {
	test.each([
		["nothing said", {}, "score"],
		["two things said", { score: 1, label: "good" }, "label"],
		["a score out of range", { score: 1.01 }, "score"],
		["a score below 0", { score: -0.1 }, "score"],
		["a score that is a text", { score: "1" }, "score"],
		["an unknown label", { label: "splendid" }, "label"],
		["a forged propensity", { score: 1, propensity: 0.001 }, "propensity"],
		["a forged model", { score: 1, model: "b" }, "model"],
		["the router's own voice", { score: 1, source: "router" }, "source"],
	])("for %s", async (_, said, param) => {
		expect(await refusal({ request_id: "req_x", ...said })).toMatchObject({
			status: 400,
			code: "invalid_request",
			param,
		});
	});

	test("as another tenant's as if the request were not there", async () => {
		const id = await routed();
		const foreign = await refusal({ request_id: id, score: 0 }, theirs);
		expect(foreign).toMatchObject({ status: 404, code: "not_found", param: "request_id" });
		expect(await refusal({ request_id: "req_nothing", score: 0 })).toMatchObject({ status: 404, code: "not_found" });
		expect((await state("theirs")).observed).toEqual([]);
		// What they say of their own requests moves theirs alone.
		await tell({ request_id: await routed("auto", theirs), score: 0 }, theirs);
		expect((await state("theirs")).observed).toEqual([{ model: "a", n: 1, s: 0 }]);
	});

	test("for requests that named their model, were not answered, or are long gone", async () => {
		expect(await refusal({ request_id: await routed("a"), score: 1 })).toMatchObject({
			status: 409,
			code: "request_not_routed",
		});
		const { replicas } = gateway.simulator;
		for (const replica of replicas) replica.behave({ faults: [{ kind: "status", status: 400 }] });
		const failed = await routed();
		for (const replica of replicas) replica.reset();
		expect(await refusal({ request_id: failed, score: 1 })).toMatchObject({
			status: 409,
			code: "request_not_answered",
		});
		expect(await refusal({ request_id: "req_01ja0000000000000000000000", score: 1 })).toMatchObject({
			status: 410,
			code: "request_expired",
		});
	});

	test("for bodies that are no JSON, of another type, or too long", async () => {
		expect(await refusal("{")).toMatchObject({ status: 400, code: "invalid_json" });
		expect(await refusal('{"request_id":"x","score":NaN}')).toMatchObject({ status: 400, code: "invalid_json" });
		expect(await refusal([])).toMatchObject({ status: 400, code: "invalid_request" });
		expect(await refusal({ feedback: [] })).toMatchObject({ code: "invalid_request", param: "feedback" });
		expect(await refusal({ request_id: "x".repeat(70_000), score: 1 })).toMatchObject({ code: "body_too_large" });
		const plain = await gateway.post("/feedback", "hello", { headers: { "content-type": "text/plain" } });
		expect((await errorOf(plain)).code).toBe("media_type_unsupported");
		const none = await fetch(`${gateway.baseURL}/feedback`, { method: "POST", body: "{}" });
		expect((await errorOf(none)).code).toBe("key_missing");
	});
});
