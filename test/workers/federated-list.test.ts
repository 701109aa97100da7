import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import type { Json, TestOperator } from "../support/federated-client.ts";
import { newOperator } from "./federated-support.ts";

const MODEL = { w: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
const SPECIFICATION = { model: MODEL, flush: { when: "count", count: 1 } };

let operator: TestOperator;
let stranger: TestOperator;
beforeAll(async () => {
	operator = await newOperator("lists");
	stranger = await newOperator("other");
});

const list = async (who: TestOperator, query = ""): Promise<Json> => (await who.call("GET", `/v1/runs${query}`)).body;
const create = async (key: string | null, specification: object = SPECIFICATION, who = operator) => {
	const headers = key === null ? {} : { "idempotency-key": key };
	const response = await who.raw("POST", "/v1/runs", { body: JSON.stringify(specification), headers });
	return { status: response.status, body: (await response.json()) as Json };
};
const ids = (page: Json): string[] => page.data.map(({ id }: Json) => id);

test("a tenant's runs are listed in pages, with what each is doing, and no other's", async () => {
	expect(await list(operator)).toMatchObject({ object: "list", data: [], has_more: false });
	const running = await operator.startRun({ name: "first", flush: { when: "count", count: 1 } }, Float32Array.of(0));
	const client = await operator.join(running);
	await client.contribute(Float32Array.of(1));
	await operator.untilVersion(running, 1);
	const open = [(await create(null)).body.id, (await create(null)).body.id];
	const others = (await create(null, SPECIFICATION, stranger)).body.id;
	const all = await list(operator);
	expect(new Set(ids(all))).toEqual(new Set([running, ...open]));
	expect(all.data.find(({ id }: Json) => id === running)).toEqual({
		object: "run",
		id: running,
		name: "first",
		state: "running",
		round: 2,
		version: 1,
		created_at: expect.any(Number),
	});
	expect(all.data.find(({ id }: Json) => id === open[0])).toMatchObject({ state: "open", round: 1, version: null });
	expect(ids(await list(stranger))).toEqual([others]);
	const first = await list(operator, "?limit=2");
	expect(first).toMatchObject({ has_more: true, next: ids(all)[1] });
	const second = await list(operator, `?limit=2&after=${first.next}`);
	expect(second.has_more).toBe(false);
	expect([...ids(first), ...ids(second)]).toEqual(ids(all));

	await operator.call("DELETE", `/v1/runs/${open[0]}`);
	expect(new Set(ids(await list(operator)))).toEqual(new Set([running, open[1]]));
	expect((await operator.call("GET", "/v1/runs?limit=51")).body.error.code).toBe("invalid_request");
	expect((await operator.call("GET", "/v1/runs?state=open")).body.error.code).toBe("invalid_request");
});

test("the same Idempotency-Key gets the same run, however often and at once it comes", async () => {
	const answers = await Promise.all(Array.from({ length: 5 }, () => create("again")));
	expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
	const statuses = answers.map(({ status }) => status);
	expect(statuses.filter((status) => status === 201)).toHaveLength(1);
	expect(statuses.filter((status) => status === 200)).toHaveLength(4);
	const { id } = answers[0]!.body;
	expect(ids(await list(operator)).filter((each) => each === id)).toHaveLength(1);

	expect(await create("again", { ...SPECIFICATION, name: "another" })).toMatchObject({
		status: 422,
		body: { error: { code: "idempotency_key_reused", details: { run: id } } },
	});
	// A key is its tenant's.
	expect((await create("again", SPECIFICATION, stranger)).body.id).not.toBe(id);
	expect((await create("two words")).body.error).toMatchObject({ code: "invalid_request", param: "idempotency-key" });

	await operator.call("DELETE", `/v1/runs/${id}`);
	const anew = await create("again");
	expect(anew.status).toBe(201);
	expect(anew.body.id).not.toBe(id);
});

test("a creation that broke off is finished by its repetition; of one that is not repeated nothing is listed", async () => {
	const { body } = await create("sent", SPECIFICATION);
	const digest = await env.CATALOG.prepare("SELECT request_digest FROM runs WHERE id = ?")
		.bind(body.id)
		.first("request_digest");
	const lost = (letter: string) => `run_${letter.repeat(32)}`;
	const now = Math.floor(Date.now() / 1_000);
	const sql = "INSERT INTO runs VALUES (?, 'lists', ?, ?, ?)";
	await env.CATALOG.batch([
		env.CATALOG.prepare(sql).bind(lost("a"), now, "broken", digest),
		env.CATALOG.prepare(sql).bind(lost("b"), now - 4_000, null, null),
	]);
	expect(ids(await list(operator))).not.toContain(lost("a"));
	const again = await create("broken");
	expect(again).toMatchObject({ status: 200, body: { id: lost("a"), state: "open" } });
	expect(ids(await list(operator))).toContain(lost("a"));
	await vi.waitFor(async () => {
		const row = await env.CATALOG.prepare("SELECT id FROM runs WHERE id = ?").bind(lost("b")).first();
		expect(row).toBeNull();
	}, 5_000);
});

test("a key that is made without `federated` neither creates, sees nor ends the tenant's runs", async () => {
	const prompts = await newOperator("lists", { federated: false });
	const { id } = (await create(null)).body;
	const answers = [
		await create(null, SPECIFICATION, prompts),
		await prompts.call("GET", "/v1/runs"),
		await prompts.call("GET", `/v1/runs/${id}`),
		await prompts.call("DELETE", `/v1/runs/${id}`),
	];
	for (const answer of answers) {
		expect(answer).toMatchObject({ status: 403, body: { error: { code: "runs_not_allowed" } } });
	}
	expect((await operator.call("GET", `/v1/runs/${id}`)).body).toMatchObject({ state: "open" });
});
