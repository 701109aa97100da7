import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, stringText, valueText } from "../unit/http/json-arbitraries.ts";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import {
	chatAnswer,
	chunk,
	event,
	plain,
	startScriptedPool,
	stream,
	usage,
	usageEvent,
} from "./helpers/scripted-pool.ts";
import { MARK, startTestGateway } from "./helpers/test-gateway.ts";

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	replicas: [],
	secrets: { POOL_SECRET: "pool-credential" },
	catalog: () =>
		catalogOf([
			poolOf("same", "m", [pool.url("same")], { secret: "POOL_SECRET" }),
			poolOf("renamed", "ours", [pool.url("renamed")], { upstream_model: "theirs" }),
		]),
});

const ANSWER = chatAnswer(usage(3, 1));
const EVENTS = [chunk("a"), chunk("b", "stop"), "data: [DONE]\n\n"];
pool.on("same", plain(ANSWER));
pool.on("renamed", plain(ANSWER));

/** What the pool gets when a client sends these bytes. */
async function passed(body: string | Uint8Array<ArrayBuffer>, replica = "same", headers: Record<string, string> = {}) {
	const response = await fetch(`${gateway.baseURL}/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${gateway.key}`, ...headers },
		body,
	});
	const answer = await response.text();
	expect(response.status, answer).toBe(200);
	return pool.requests(replica).at(-1)!;
}

describe("what the pool gets", () => {
	it("is a completion that asks for no token, to score its prompt, as it came and for its prompt's price", async () => {
		const body = { model: "m", prompt: "scored", echo: true, max_tokens: 0, logprobs: 1 };
		pool.on("same", plain(chatAnswer(usage(3, 0))));
		const response = await gateway.post("/completions", body);
		pool.on("same", plain(ANSWER));
		expect(response.status).toBe(200);
		expect(JSON.parse(pool.requests("same").at(-1)!.body.toString())).toMatchObject(body);
		expect(await gateway.record(response)).toMatchObject({ outcome: "ok", prompt_tokens: 3, completion_tokens: 0 });
	});

	it.each([
		[
			"odd spaces and line ends",
			`\r\n { "model"\t:"m" ,\n"messages" : [ {"role":"user","content":"x"} ] ,"max_tokens": 5\t}\n\n`,
		],
		[
			"unknown fields, at any depth",
			`{"model":"m","messages":[{"role":"user","content":"x","y":{"z":[1,{}]}}],"max_tokens":5,"new":null,"é":[]}`,
		],
		[
			"numbers as they were written",
			`{"model":"m","messages":[{}],"max_tokens":5,"temperature":1.50,"seed":123456789012345678901234567890,"top_p":1E-0}`,
		],
		[
			"escapes and every plane of Unicode",
			`{"model":"m","messages":[{"content":"\\u00e9é\\/\\ud83d\\ude00😀\\ud800 \u2028"}],"max_tokens":5}`,
		],
		["names written with escapes", `{"m\\u006fdel":"\\u006d","mess\\u0061ges":[{}],"max\\u005ftokens":5}`],
		["duplicate names that only the pool reads", `{"model":"m","messages":[{}],"max_tokens":5,"seed":1,"seed":2}`],
		["the newer name of max_tokens", `{"model":"m","messages":[{}],"max_completion_tokens":5}`],
	])("is what the client sent: %s", async (_, text) => {
		expect((await passed(text)).body.toString()).toBe(text);
	});

	it("is what the client sent, whatever JSON it is", async () => {
		const field = fc.tuple(
			stringText.filter(
				(name) =>
					!/^"(model|messages|max_tokens|n|stream.*|isobar|tools|logprobs|response_format|user)"$/i.test(decoded(name)),
			),
			valueText,
		);
		await fc.assert(
			fc.asyncProperty(fc.array(field, { maxLength: 5 }), valueText, async (fields, content) => {
				const members = [
					`"model" :"m"`,
					`"messages":[${content}]`,
					`"max_tokens": 7`,
					...fields.map(([n, v]) => `${n} : ${v}`),
				];
				const bytes = Buffer.from(bytesOf(`{ ${members.join(" ,\n")} }`));
				expect((await passed(bytes)).body.equals(bytes)).toBe(true);
			}),
			{ numRuns: 60 },
		);
	});

	it("keeps a byte that is no UTF-8 where it was", async () => {
		const bytes = Buffer.concat([
			Buffer.from(`{"model":"m","max_tokens":5,"messages":[{"content":"`),
			Buffer.from([0xff, 0xc3, 0x28]),
			Buffer.from(`"}]}`),
		]);
		expect((await passed(bytes)).body.equals(bytes)).toBe(true);
	});

	it("has the pool's own name of the model where the client named it", async () => {
		const text = `{ "messages":[{"model":"ours"}],"max_tokens":5, "mod\\u0065l":"ours" }`;
		const got = (await passed(text, "renamed")).body.toString();
		expect(got).toBe(`{ "messages":[{"model":"ours"}],"max_tokens":5, "mod\\u0065l":"theirs" }`);
	});

	it("has max_tokens where the client gave none", async () => {
		const got = (await passed(`{ "model":"m","messages":[{}] }`)).body.toString();
		expect(got).toBe(`{"max_tokens":4096, "model":"m","messages":[{}] }`);
		const nulled = (await passed(`{"model":"m","max_tokens": null ,"messages":[{}]}`)).body.toString();
		expect(nulled).toBe(`{"model":"m","max_tokens": 4096 ,"messages":[{}]}`);
	});

	it("has no isobar field", async () => {
		const policy = `{"ttft_goal_seconds":1}`;
		const middle = await passed(`{"model":"m", "isobar" : ${policy} , "messages":[{}],"max_tokens":5}`);
		expect(middle.body.toString()).toBe(`{"model":"m", "messages":[{}],"max_tokens":5}`);
		const last = await passed(`{"model":"m","messages":[{}],"max_tokens":5 , "isobar":${policy} }`);
		expect(last.body.toString()).toBe(`{"model":"m","messages":[{}],"max_tokens":5 }`);
	});

	it("asks for the usage of a stream where the client did not", async () => {
		pool.on("same", stream(EVENTS));
		const absent = await passed(`{"model":"m","messages":[{}],"max_tokens":5,"stream":true}`);
		expect(absent.body.toString()).toBe(
			`{"stream_options":{"include_usage":true},"model":"m","messages":[{}],"max_tokens":5,"stream":true}`,
		);
		const refused = await passed(
			`{"model":"m","messages":[{}],"max_tokens":5,"stream":true,"stream_options":{ "x":1, "include_usage": false }}`,
		);
		expect(refused.body.toString()).toBe(
			`{"model":"m","messages":[{}],"max_tokens":5,"stream":true,"stream_options":{ "x":1, "include_usage": true }}`,
		);
		const asked = `{"model":"m","messages":[{}],"max_tokens":5,"stream":true,"stream_options":{"include_usage" :true}}`;
		expect((await passed(asked)).body.toString()).toBe(asked);
		pool.on("same", plain(ANSWER));
	});

	it("has the client's headers but those that are ours, and the pool's credential", async () => {
		const { headers, path } = await passed(`{"model":"m","messages":[{}],"max_tokens":5}`, "same", {
			"openai-beta": "assistants=v2",
			"x-session": "s-1",
			cookie: "secret=1",
			"x-api-key": gateway.key,
			"x-forwarded-for": "203.0.113.7",
			"x-isobar-anything": "1",
		});
		expect(path).toBe("/v1/chat/completions");
		expect(headers).toMatchObject({
			authorization: "Bearer pool-credential",
			"openai-beta": "assistants=v2",
			"x-session": "s-1",
		});
		expect(headers["x-request-id"]).toMatch(/^req_/);
		expect(Object.keys(headers)).not.toContain("cookie");
		expect(Object.keys(headers)).not.toContain("x-isobar-anything");
		expect(JSON.stringify(headers)).not.toMatch(/isobar_|203\.0\.113\.7/);
	});
});

function decoded(text: string): string {
	return `"${String(JSON.parse(text))}"`;
}

describe("what the client gets", () => {
	/** The bytes of an answer that the pool gives in this way. */
	async function answered(answer: Parameters<typeof pool.on>[1], extra: object = {}): Promise<[Response, Buffer]> {
		pool.on("same", answer);
		const response = await gateway.chat("m", { max_tokens: 5, ...extra });
		return [response, Buffer.from(await response.arrayBuffer())];
	}

	it.each([
		[
			"odd spaces, unknown fields, large numbers",
			`\n { "choices" : [ ] , "x":1.50e+2,"big":12345678901234567890 , "é":"\\u00e9" }\r\n`,
		],
		["duplicate names", `{"id":1,"id":2,"choices":[]}`],
		["nothing that we know", `{}`],
	])("is what the pool sent: %s", async (_, text) => {
		const [, bytes] = await answered(plain(text));
		expect(bytes.toString()).toBe(text);
	});

	it("is what the pool sent, at any length", async () => {
		const long = `{"choices":[],"padding":"${"x".repeat(9 * 1024 * 1024)}","usage":{"prompt_tokens":7,"completion_tokens":2}}`;
		const [response, bytes] = await answered(plain(long));
		expect(bytes.equals(Buffer.from(long))).toBe(true);
		expect(await gateway.record(response)).toMatchObject({ outcome: "ok", prompt_tokens: 7, completion_tokens: 2 });
	});

	it("is what a pool sent that compresses although it was asked not to", async () => {
		const [response, bytes] = await answered(plain(gzipSync(ANSWER), { "content-encoding": "gzip" }));
		expect(bytes.toString()).toBe(ANSWER);
		expect(response.headers.get("content-encoding")).toBeNull();
	});

	it("has the pool's headers but those of its connection, and none that pretends to be ours", async () => {
		const [{ headers }] = await answered(
			plain(ANSWER, {
				"content-type": "application/json; charset=utf-8",
				"openai-processing-ms": "12",
				"x-ratelimit-remaining-tokens": "99",
				"set-cookie": "a=b",
				"x-isobar-pool": "another",
			}),
		);
		expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
		expect(headers.get("openai-processing-ms")).toBe("12");
		expect(headers.get("x-ratelimit-remaining-tokens"), "the operator's account").toBeNull();
		expect(headers.get("set-cookie")).toBeNull();
		expect(headers.get("x-isobar-pool")).toBe("same");
	});

	const USAGE = usageEvent(usage(9, 4, 2));
	const odd = [
		[": comment\n\n", ...EVENTS],
		["\u{feff}", ...EVENTS],
		EVENTS.map((text) => text.replaceAll("\n", "\r\n")),
		EVENTS.map((text) => text.replaceAll("\n", "\r")),
		EVENTS.map((text) => text.replace("data: ", "data:")),
		[`event: message\nid: 7\nretry: 10\n${EVENTS[0]}`, ...EVENTS.slice(1)],
		[`data: {"choices":[{"delta":\ndata: {"content":"x"}}]}\n\n`, ...EVENTS.slice(1)],
		[event({ choices: [], prompt_filter_results: [] }), ...EVENTS],
		[
			chunk("a"),
			event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: usage(1, 1) }),
			"data: [DONE]\n\n",
		],
		[...EVENTS.slice(0, 2), "data: [DONE]"],
	];

	it.each(odd.map((chunks) => [JSON.stringify(chunks.join("")).slice(0, 60), chunks] as const))(
		"is the stream that the pool sent: %s",
		async (_, chunks) => {
			const [response, bytes] = await answered(stream(chunks), { stream: true });
			expect(response.headers.get("content-type")).toBe("text/event-stream");
			expect(bytes.toString("utf8")).toBe(chunks.join(""));
		},
	);

	it("is the stream that the pool sent, wherever it is cut into pieces", async () => {
		const whole = Buffer.from([chunk("é😀"), ": beat\n\n", chunk("b", "stop"), USAGE, "data: [DONE]\n\n"].join(""));
		const cuts = fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 12 });
		await fc.assert(
			fc.asyncProperty(cuts, fc.boolean(), async (places, include_usage) => {
				const ends = [...places.toSorted((a, b) => a - b), whole.length];
				const pieces = ends.map((end, index) => whole.subarray(index === 0 ? 0 : ends[index - 1], end));
				const [, bytes] = await answered(stream(pieces), { stream: true, stream_options: { include_usage } });
				expect(bytes.toString()).toBe(include_usage ? whole.toString() : whole.toString().replace(USAGE, ""));
			}),
			{ numRuns: 40 },
		);
	});

	it("lacks the usage event unless the client asked for it, and the record has its numbers either way", async () => {
		const chunks = [...EVENTS.slice(0, 2), USAGE, EVENTS[2]!];
		for (const stream_options of [undefined, null, { include_usage: false }, { include_usage: true }]) {
			const [response, bytes] = await answered(stream(chunks), { stream: true, stream_options });
			const isAsked = stream_options?.include_usage === true;
			expect(bytes.toString()).toBe((isAsked ? chunks : EVENTS).join(""));
			const record = await gateway.record(response);
			expect(record).toMatchObject({
				usage_source: "reported",
				prompt_tokens: 9,
				completion_tokens: 4,
				cached_tokens: 2,
			});
		}
	});

	it("holds no prompt in what we keep of it", async () => {
		const [response] = await answered(plain(ANSWER));
		expect(JSON.stringify(await gateway.record(response))).not.toContain(MARK);
	});
});
