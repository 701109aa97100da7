import { describe, expect, test } from "vitest";
import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { AssignReply, AssignRequest } from "../../../src/shared/scheduler/messages.ts";
import { ended, mail, outcomeOf, request, rig, T0 } from "./support.ts";

const RATES = { prefill_tokens_per_second: 10_000, seconds_per_output_token: 0.01 };
type Pool = CatalogInput["pools"][number];

const pool = (id: string, provider: string, input: number, more: Partial<Pool> = {}): Pool => ({
	id,
	model: "m",
	engine: "openai",
	place: { provider, region: id, round_trip_ms: 10 },
	price: { per: "million_tokens", input, output: 0 },
	rates: RATES,
	max_concurrency: 1_000,
	replicas: [{ id: "a", url: `http://${id}.test` }],
	...more,
});
const catalog = (...pools: Pool[]): CatalogInput => ({
	models: [{ id: "m", context_length: 32_000, capabilities: ["chat"], parameters_billion: 8 }],
	pools,
});
/** The cheapest, one beside it at the same provider, and two that are dearer. */
const FLEET = catalog(
	pool("cheap", "one", 0.1, { replicas: ["a", "b"].map((id) => ({ id, url: `http://cheap-${id}.test` })) }),
	pool("beside", "one", 0.2),
	pool("dear", "two", 1),
	pool("dearest", "three", 5),
);
const hedged = { hedge: true };

/** Twenty requests that are over, so that one hedge may be made. */
function saveUp(core: SchedulerCore, requests = 20): void {
	for (let i = 0; i < requests; i++) {
		const asked = request();
		core.assign(asked, T0 - 100);
		core.mail(mail({ ended: [ended(asked.reservation)] }), T0 - 99);
	}
}

function hedgeOf(first: AssignRequest, more: Partial<AssignRequest> = {}): AssignRequest {
	return { ...first, reservation: `${first.reservation}.h`, hedge: { of: first.reservation }, ...more };
}

function assigned(reply: AssignReply): Extract<AssignReply, { kind: "assigned" }> {
	if (reply.kind !== "assigned") throw new Error(outcomeOf(reply));
	return reply;
}

describe("when to ask", () => {
	test("is told to who wants hedges, later than most answers come", () => {
		const { core } = rig(FLEET);
		const { hedgeAfter, ranked } = assigned(core.assign(request({}, hedged), T0));
		expect(hedgeAfter).toBeGreaterThan(ranked[0]!.expectedTtft);
		expect(hedgeAfter).toBeLessThan(4 * ranked[0]!.expectedTtft);
		const plain = assigned(core.assign(request({ stream: false }, hedged), T0));
		expect(plain.hedgeAfter).toBeGreaterThan(plain.ranked[0]!.expectedSeconds);
	});

	test.each([
		["who wants none", FLEET, {}, {}],
		["a retry", FLEET, { retry: true }, hedged],
		["a model of one provider", catalog(pool("cheap", "one", 0.1), pool("dear", "one", 1)), {}, hedged],
	])("is told to no one else: %s", (_, fleet, change, policy) => {
		const { core } = rig(fleet);
		expect(assigned(core.assign(request(change, policy), T0))).not.toHaveProperty("hedgeAfter");
	});
});

describe("a hedge", () => {
	test("goes to another provider, with its terms, and holds a place of its own there", () => {
		const { core } = rig(FLEET);
		saveUp(core);
		const first = request({}, hedged);
		expect(outcomeOf(core.assign(first, T0))).toBe("cheap/a");
		const reply = assigned(core.assign(hedgeOf(first), T0 + 10));
		expect(reply.ranked.map(({ replica }) => replica)).toEqual(["dear/a"]);
		const { time, late, slower, cost } = reply.hedge!;
		expect(time + late - slower).toBeGreaterThan(cost);
		expect(cost).toBeGreaterThanOrEqual(0.001);
		expect(core.ownLoad("dear/a", T0 + 10).inFlight).toBe(1);
		expect(core.ownLoad("cheap/a", T0 + 10).inFlight).toBe(1);
		const lines = explain(reply.explanation);
		const rejected = lines.flatMap((line) => ("rejected" in line ? [`${line.replica} ${line.rejected}`] : []));
		expect(rejected.sort()).toEqual(["beside/a same_provider", "cheap/a same_provider", "cheap/b same_provider"]);
		// Told again, it is the same one.
		expect(core.assign(hedgeOf(first), T0 + 11)).toEqual(reply);
		expect(core.inFlight).toBe(2);
		core.mail(
			mail({ ended: [ended(first.reservation, { outcome: "client_gone" }), ended(`${first.reservation}.h`)] }),
			T0 + 12,
		);
		expect(core.inFlight).toBe(0);
	});

	test("is refused while it costs more than it is expected to gain, with when that will be otherwise", () => {
		const { core } = rig(FLEET);
		saveUp(core);
		const first = request({}, hedged);
		const { hedgeAfter } = assigned(core.assign(first, T0));
		const reply = core.assign(hedgeOf(first), T0 + hedgeAfter!);
		expect(reply).toMatchObject({ kind: "unhedged", reason: "not_worth" });
		if (reply.kind !== "unhedged") throw new Error();
		expect(reply.terms!.cost).toBeGreaterThan(reply.terms!.time + reply.terms!.late);
		expect(outcomeOf(core.assign(hedgeOf(first), T0 + hedgeAfter! + reply.again!))).toBe("dear/a");
	});

	test("is not made of a request whose time is worth nothing", () => {
		const { core } = rig(FLEET);
		saveUp(core);
		const first = request({}, { ...hedged, valueOfSecond: 0, lateSecond: 0 });
		core.assign(first, T0);
		expect(core.assign(hedgeOf(first), T0 + 30)).toMatchObject({ reason: "not_worth", again: null });
	});

	test("is refused where no other provider can take it, and of what is not known", () => {
		const { core } = rig(FLEET);
		saveUp(core);
		const first = request({}, hedged);
		core.assign(first, T0);
		expect(outcomeOf(core.assign(hedgeOf(first, { exclude: ["dear/a", "dearest/a"] }), T0 + 10))).toBe("no_candidate");
		const ceiling = { policy: { ...first.policy, priceCeiling: 1e-6 } };
		expect(outcomeOf(core.assign(hedgeOf(first, ceiling), T0 + 10))).toBe("no_candidate");
		expect(outcomeOf(core.assign(hedgeOf(request({}, hedged)), T0 + 10))).toBe("unknown");
		// Nobody waits, and nothing is held for what was refused.
		expect(core.waiting).toBe(0);
		expect(core.inFlight).toBe(1);
	});

	test("never goes where the first waits for a start, however many pools that provider has", () => {
		const zero = { engine: "vllm", scale_to_zero: { kind: "plain", cold_seconds: 30 } } as const;
		const { core } = rig(
			catalog(pool("zero", "serverless", 0.1, zero), pool("other", "serverless", 0.1, zero), pool("api", "api", 2)),
		);
		saveUp(core);
		const first = request({ exclude: ["api/a"] }, hedged);
		expect(outcomeOf(core.assign(first, T0))).toMatch(/^(zero|other)/);
		for (const at of [3, 10, 40]) {
			const reply = core.assign(hedgeOf(first, { reservation: `h${at}`, exclude: [] }), T0 + at);
			expect(["api/a", "not_worth", "budget"]).toContain(outcomeOf(reply));
		}
		expect(core.ownLoad("api/a", T0 + 40).inFlight).toBe(1);
	});

	test("is made of a share of the requests at most, whatever is asked for", () => {
		const { core } = rig(FLEET, { hedgeShareMax: 0.1 });
		const firsts = Array.from({ length: 200 }, () => request({}, hedged));
		for (const first of firsts) core.assign(first, T0);
		const replies = firsts.map((first) => outcomeOf(core.assign(hedgeOf(first), T0 + 20)));
		// Ten were saved up; none comes before its requests.
		expect(replies.filter((reply) => reply === "dear/a" || reply === "dearest/a")).toHaveLength(10);
		expect(replies.filter((reply) => reply === "budget")).toHaveLength(190);
		const none = rig(FLEET, { hedgeShareMax: 0 });
		saveUp(none.core, 100);
		const first = request({}, hedged);
		none.core.assign(first, T0);
		expect(outcomeOf(none.core.assign(hedgeOf(first), T0 + 20))).toBe("budget");
	});
});
