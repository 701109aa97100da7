import { describe, expect, test } from "vitest";
import type { RouterState } from "../../src/shared/router/messages.ts";
import { ARITHMETIC, PROSE, routedCatalog, startRouterGateway, type RoutedRecord } from "./helpers/router-gateway.ts";
import { errorOf } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const gateway = await startRouterGateway({
	key: { tenant: "ours" },
	settings: { routerViewSeconds: 0.1 },
	catalog: (urls) => ({
		...routedCatalog(urls),
		models: routedCatalog(urls).models.map((model) => (model.id === "weak" ? { ...model, card: "small" } : model)),
		// A model that is busy is not drawn.
		pools: routedCatalog(urls).pools.map((pool) => ({ ...pool, max_concurrency: 64 })),
		routers: [
			{ id: "default", models: ["strong", "small", "unknown"], incumbent: "small" },
			// Two of the same card: either may be the better one, for all that is known.
			{ id: "curious", models: ["small", "weak"], explore_share: 0.05, quality_usd: 1 },
		],
	}),
});

const admin = (method: string, path: string, body?: string): Promise<Response> =>
	fetch(`${gateway.isobar.url}/admin/routers/${path}`, {
		method,
		headers: { authorization: "Bearer test-admin-token" },
		...(body !== undefined && { body }),
	});
const state = async (tenant = "ours", router = "default"): Promise<RouterState> =>
	(await (await admin("GET", `${router}?tenant=${tenant}`)).json()) as RouterState;
const label = (count: number, scores: object): string =>
	Array.from({ length: count }, (_, n) => JSON.stringify({ prompt: n % 2 ? PROSE : ARITHMETIC, scores })).join("\n");

async function candidatesOf(router: string, key = gateway.key) {
	const answer = await gateway.post(
		"/chat/completions",
		{ model: router, messages: [{ role: "user", content: PROSE }] },
		{ key },
	);
	await answer.text();
	return ((await gateway.record(answer, key)) as RoutedRecord).route;
}

describe("an operator's labelled prompts", () => {
	test("make a model without a card usable, for their tenant alone; a reset takes that back", async () => {
		const before = await candidatesOf("auto");
		expect(before.rejected).toContainEqual({ model: "unknown", rule: "shadow" });
		const put = await admin("PUT", "default/anchors?tenant=ours", label(200, { unknown: 1, small: 0.5 }));
		expect(put.status).toBe(200);
		expect(await put.json()).toMatchObject({
			labelled_prompts: 200,
			models: { unknown: { scores: 200, stands_for_card: true }, small: { scores: 200 } },
		});
		const route = await until("the labels to be known", async () => {
			const found = await candidatesOf("auto");
			return found.candidates.some(({ model }) => model === "unknown") && found;
		});
		const unknown = route.candidates.find(({ model }) => model === "unknown")!;
		expect(unknown).toMatchObject({ shadow: false, card: null });
		expect(unknown.quality).toBeGreaterThan(0.9);
		// What the card expected of another is corrected by its own labels.
		const small = route.candidates.find(({ model }) => model === "small")!;
		expect(small.quality).toBeLessThan(small.card! - 0.2);

		const theirs = await gateway.createKey({ tenant: "theirs" });
		expect((await candidatesOf("auto", theirs)).rejected).toContainEqual({ model: "unknown", rule: "shadow" });
		expect(await state("theirs")).toMatchObject({ labelled_prompts: 0 });

		const found = await state();
		expect(found).toMatchObject({ incumbent: "small", labelled_prompts: 200 });
		expect(found.domains.length).toBeGreaterThan(1);
		const [best] = found.domains[0]!.models;
		expect(best).toMatchObject({ model: "unknown", anchors: 200, gate: { open: true } });

		expect((await admin("DELETE", "default?tenant=ours")).status).toBe(200);
		expect(await state()).toMatchObject({ labelled_prompts: 0 });
		await until("the labels to be forgotten", async () =>
			(await candidatesOf("auto")).rejected.some(({ model, rule }) => model === "unknown" && rule === "shadow"),
		);
	});

	test("are refused whole when one line is wrong", async () => {
		const refused = async (body: string, query = "default/anchors?tenant=ours") => {
			const answer = await admin("PUT", query, body);
			return { status: answer.status, ...(await errorOf(answer)) };
		};
		expect(await refused(`${label(2, { small: 1 })}\n${label(1, { smal: 1 })}`)).toMatchObject({
			status: 422,
			code: "labels_invalid",
			param: 'scores["smal"]',
			details: { line: 3 },
		});
		// A model of the catalog, but not of this router.
		expect(await refused(label(1, { weak: 1 }))).toMatchObject({ code: "labels_invalid" });
		expect(await refused("")).toMatchObject({ code: "labels_invalid" });
		expect(await refused("x".repeat(8 * 1024 * 1024 + 1))).toMatchObject({ status: 413, code: "body_too_large" });
		expect(await refused("", "nobody/anchors?tenant=ours")).toMatchObject({ status: 404, code: "router_not_found" });
		expect(await refused("", "default/anchors")).toMatchObject({
			status: 400,
			code: "invalid_request",
			param: "tenant",
		});
		expect(await state()).toMatchObject({ labelled_prompts: 0 });
		const wrong = await admin("POST", "default?tenant=ours");
		expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE"]);
	});
});

describe("exploring", () => {
	test("is recorded with its propensity, and what is said of it moves the estimate; of a choice nothing does", async () => {
		// Those that went to another model than most were drawn, or chosen because the others were busy: their records tell.
		const usual = (await candidatesOf("auto:curious")).chosen;
		const chosen: RoutedRecord[] = [];
		const drawn = await until(
			"a draw",
			async () => {
				const answers = await Promise.all(
					Array.from({ length: 20 }, () => gateway.ask("auto:curious", PROSE, undefined, { max_tokens: 2 })),
				);
				await Promise.all(answers.map((answer) => answer.text()));
				const others = answers.filter(({ headers }) => headers.get("x-isobar-model") !== usual);
				const records = await Promise.all([...others, answers[0]!].map((answer) => gateway.routed(answer)));
				chosen.push(...records.filter(({ route }) => !route.explored));
				return records.find(({ route }) => route.explored);
			},
			60,
		);
		const { route } = drawn;
		expect(route).toMatchObject({ reason: "drawn", chosen: drawn.model });
		expect(route.propensity).toBe(0.05 / 2);
		const tell = (id: string) => gateway.post("/feedback", { request_id: id, score: 0, source: "user" });
		for (const { id, route } of chosen) {
			expect(route).toMatchObject({ propensity: 1, explored: false });
			expect(await (await tell(id)).json()).toMatchObject({ may_move: false });
		}
		expect((await state("ours", "curious")).domains).toHaveLength(1);
		expect(await (await tell(drawn.id)).json()).toMatchObject({ may_move: true, model: drawn.model });
		const found = await state("ours", "curious");
		const cell = found.domains[0]!.models.find(({ model }) => model === drawn.model)!;
		expect(cell).toMatchObject({ explored: 1, mean: 0 });
		expect(cell.shift).toBeCloseTo(-route.candidates.find(({ model }) => model === drawn.model)!.card!, 5);
		expect(found.observed.reduce((sum, { n }) => sum + n, 0)).toBe(chosen.length);
	}, 90_000);
});
