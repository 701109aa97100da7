import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { JSON_DEPTH_MAX, REQUEST_BODY_BYTES_MAX } from "../../src/shared/limits.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { errorOf, MARK, startTestGateway, type ErrorBody } from "./helpers/test-gateway.ts";

const gateway = await startTestGateway({
	replicas: ["chat/a", "small/a", "embed/a"].map((name) => ({ name, model: name.split("/")[0]!, speed: 0 })),
	catalog: (urls) =>
		catalogOf(
			[
				poolOf("chat", "chat", urlsOf(urls, "chat")),
				poolOf("small", "small", urlsOf(urls, "small")),
				poolOf("embed", "embed", urlsOf(urls, "embed")),
			],
			{
				chat: { aliases: ["chat-latest"] },
				small: { context_length: 2_000, capabilities: ["chat"] },
				embed: { capabilities: ["embeddings"] },
			},
		),
});

const CHAT = "/chat/completions";
const messages = [{ role: "user", content: MARK }];
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

interface Refusal {
	readonly status: number;
	readonly code: string;
	readonly param?: string;
	/** Stands in the message. */
	readonly says: RegExp;
}

const invalid = (param: string, says: RegExp): Refusal => ({ status: 400, code: "invalid_request", param, says });
const malformed = (says: RegExp): Refusal => ({ status: 400, code: "invalid_json", says });

/** The gateway has refused it in this way, has called no pool, and has charged nothing. */
async function expectRefusal(response: Response, { status, code, param, says }: Refusal): Promise<void> {
	const error = await errorOf(response);
	expect(error, error.message).toMatchObject({ code, param: param ?? null });
	expect(response.status).toBe(status);
	expect(error.message).toMatch(says);
	expect(response.headers.get("content-type")).toBe("application/json");
	expect(response.headers.get("x-should-retry")).toBe("false");
	expect(error.request_id).toMatch(/^req_/);
}

const requests = (): number[] => gateway.simulator.replicas.map((replica) => replica.state().requests);

describe("a body that is no request", () => {
	const bodies: readonly [string, string | Uint8Array<ArrayBuffer>, Refusal][] = [
		["nothing", "", malformed(/found nothing at byte 0/)],
		["spaces", " \n ", malformed(/found nothing/)],
		["text", `please tell me ${MARK}`, malformed(/expected a JSON object at byte 0/)],
		["an array", `[${JSON.stringify({ model: "chat", messages })}]`, malformed(/expected a JSON object/)],
		["a string", JSON.stringify(MARK), malformed(/expected a JSON object/)],
		["null", "null", malformed(/expected a JSON object/)],
		["half an object", `{"model":"chat","messages":[{"role":"user","content":"${MARK}`, malformed(/at byte \d+/)],
		["a comma too many", `{"model":"chat","messages":[],}`, malformed(/at byte \d+/)],
		["two objects", `{"model":"chat"}{"model":"chat"}`, malformed(/at byte 16/)],
		["single quotes", `{'model':'chat'}`, malformed(/at byte 1/)],
		["a byte order mark", `\u{feff}{"model":"chat"}`, malformed(/byte order mark/)],
		["UTF-16", Buffer.from(`{"model":"chat"}`, "utf16le"), malformed(/at byte \d/)],
		["a name that is no string", Buffer.from('{"\\x":1,"model":"chat"}'), malformed(/member name/)],
		[
			"nested too deep",
			`{"model":"chat","messages":${nested(JSON_DEPTH_MAX + 1)}}`,
			malformed(new RegExp(`deep.*${JSON_DEPTH_MAX}|${JSON_DEPTH_MAX}.*deep`)),
		],
		["nested a million deep", `{"model":"chat","messages":${nested(1_000_000)}}`, malformed(/deep/)],
		[
			"ten thousand fields",
			`{${Array.from({ length: 10_000 }, (_, i) => `"f${i}":1`).join()}}`,
			malformed(/1000 members/),
		],
	];

	it.concurrent.each(bodies)("%s", async (_, body, refusal) => {
		const response = await fetch(gateway.baseURL + CHAT, {
			method: "POST",
			headers: { authorization: `Bearer ${gateway.key}` },
			body,
		});
		await expectRefusal(response, refusal);
	});

	it("nested as deep as is allowed is the pool's business", async () => {
		const body = `{"model":"chat","messages":${JSON.stringify(messages)},"max_tokens":1,"x":${nested(JSON_DEPTH_MAX - 1)}}`;
		expect((await gateway.post(CHAT, body)).status).toBe(200);
	});
});

describe("a field of a wrong type", () => {
	const fields: readonly [string, object | string, Refusal][] = [
		[CHAT, { messages }, { status: 400, code: "model_missing", param: "model", says: /names no model/ }],
		[CHAT, { messages, model: null }, { status: 400, code: "model_missing", param: "model", says: /names no model/ }],
		[CHAT, { messages, model: "" }, { status: 400, code: "model_missing", param: "model", says: /names no model/ }],
		[CHAT, { messages, model: 7 }, invalid("model", /model must be a string/)],
		[CHAT, { model: "chat" }, invalid("messages", /no messages/)],
		[CHAT, { model: "chat", messages: MARK }, invalid("messages", /list of messages/)],
		[CHAT, { model: "chat", messages: [] }, invalid("messages", /not empty/)],
		[CHAT, { model: "chat", messages: { role: "user" } }, invalid("messages", /list of messages/)],
		[CHAT, { model: "chat", messages, stream: "yes" }, invalid("stream", /true or false/)],
		[CHAT, { model: "chat", messages, max_tokens: "many" }, invalid("max_tokens", /whole number/)],
		[CHAT, { model: "chat", messages, max_tokens: 0 }, invalid("max_tokens", /from 1/)],
		[CHAT, { model: "chat", messages, max_tokens: 1.5 }, invalid("max_tokens", /whole number/)],
		[CHAT, { model: "chat", messages, max_tokens: 1e300 }, invalid("max_tokens", /whole number/)],
		[CHAT, { model: "chat", messages, max_completion_tokens: -1 }, invalid("max_completion_tokens", /from 1/)],
		[CHAT, { model: "chat", messages, n: 0 }, invalid("n", /from 1 to \d+/)],
		[CHAT, { model: "chat", messages, n: 100_000 }, invalid("n", /from 1 to \d+/)],
		[CHAT, { model: "chat", messages, isobar: [] }, invalid("isobar", /isobar/)],
		[CHAT, { model: "chat", messages, isobar: { colour: "red" } }, invalid("isobar", /colour/)],
		[
			CHAT,
			{ model: "chat", messages, isobar: { ttft_goal_seconds: "fast" } },
			invalid("isobar.ttft_goal_seconds", /number/),
		],
		[
			CHAT,
			`{"model":"chat","messages":[{}],"isobar":{"x":"\\q ${MARK}"}}`,
			invalid("isobar", /isobar must be valid JSON/),
		],
		[CHAT, `{"model":"\\q ${MARK}","messages":[{}]}`, invalid("model", /model must be a string/)],
		[CHAT, { model: "chat", messages, isobar: { priority: "first" } }, invalid("isobar.priority", /interactive/)],
		["/completions", { model: "chat" }, invalid("prompt", /no prompt/)],
		["/completions", { model: "chat", prompt: {} }, invalid("prompt", /string or a list/)],
		["/completions", { model: "chat", prompt: "x", best_of: "all" }, invalid("best_of", /whole number/)],
		["/embeddings", { model: "embed" }, invalid("input", /no input/)],
		["/embeddings", { model: "embed", input: [] }, invalid("input", /not empty/)],
		["/embeddings", { model: "embed", input: 7 }, invalid("input", /string or a list/)],
	];

	it.concurrent.each(
		fields.map(([path, body, refusal]) => [`${path} ${JSON.stringify(body)}`, path, body, refusal] as const),
	)("%s", async (_, path, body, refusal) => {
		const before = requests();
		await expectRefusal(await gateway.post(path, body), refusal);
		expect(requests()).toEqual(before);
	});
});

describe("a request that nothing can answer", () => {
	const ask = (extra: object) => gateway.post(CHAT, { model: "chat", messages, max_tokens: 10, ...extra });

	it("for an unknown model names the nearest", async () => {
		for (const [model, nearest] of [
			["chta", "chat"],
			["chat-latset", "chat-latest"],
			["CHAT", "chat"],
		]) {
			const response = await ask({ model });
			const error = await errorOf(response);
			expect(response.status).toBe(404);
			expect(error).toMatchObject({ code: "model_not_found", param: "model" });
			expect(error.message).toContain(`did you mean "${nearest}"`);
			expect(error.details!["nearest"]).toContain(nearest);
		}
		const far = await errorOf(await ask({ model: "x".repeat(100_000) }));
		expect(far.message.length).toBeLessThan(400);
		expect(far.message).not.toContain("did you mean");
	});

	it("for a context that is too long says the longest", async () => {
		const response = await ask({
			model: "small",
			messages: [{ role: "user", content: `${MARK} and so on `.repeat(1_000) }],
		});
		await expectRefusal(response, {
			status: 400,
			code: "context_too_long",
			param: "messages",
			says: /needs about \d+ tokens .* the longest context of "small" is 2000/,
		});
		const output = await ask({ model: "small", max_tokens: 2_001 });
		await expectRefusal(output, {
			status: 400,
			code: "context_too_long",
			param: "messages",
			says: /2001 for the answer/,
		});
	});

	it("for what no pool can do says what", async () => {
		const tools = [{ type: "function", function: { name: "f" } }];
		const response = await ask({ model: "small", tools });
		await expectRefusal(response, { status: 400, code: "capability_missing", says: /chat, tools/ });
		await expectRefusal(await ask({ model: "embed" }), { status: 400, code: "capability_missing", says: /chat/ });
	});

	it("for a region or a price that no pool has says which", async () => {
		const region = await ask({ isobar: { regions: ["the-moon"] } });
		await expectRefusal(region, { status: 400, code: "constraint_unmet", param: "isobar.regions", says: /the-moon/ });
		const price = await ask({ isobar: { price_ceiling_usd: 1e-9 } });
		await expectRefusal(price, {
			status: 400,
			code: "constraint_unmet",
			param: "isobar.price_ceiling_usd",
			says: /ceiling/,
		});
	});

	it("at a path that is none, or with another method", async () => {
		const nowhere = await gateway.post("/chat/completion", {});
		expect(nowhere.status).toBe(404);
		expect((await errorOf(nowhere)).code).toBe("not_found");
		for (const path of ["/models/", "/models/%ZZ", "/requests/%ZZ"]) {
			expect((await gateway.get(path)).status, path).toBe(404);
		}
		const got = await gateway.get(CHAT);
		expect(got.status).toBe(405);
		expect(got.headers.get("allow")).toBe("POST");
		expect(await errorOf(got)).toMatchObject({
			code: "method_not_allowed",
			message: expect.stringContaining("use POST"),
		});
	});

	it("in an encoding or of a type that we do not read", async () => {
		for (const headers of [{ "content-encoding": "gzip" }, { "content-type": "multipart/form-data; boundary=x" }]) {
			const response = await gateway.post(CHAT, "x", { headers });
			await expectRefusal(response, { status: 415, code: "media_type_unsupported", says: /not supported/ });
		}
	});
});

describe("a body that is too long", () => {
	const head = `{"model":"chat","max_tokens":1,"messages":${JSON.stringify(messages)},"padding":"`;
	const body = (bytes: number): Buffer<ArrayBuffer> => {
		const text = Buffer.alloc(bytes, "x");
		text.write(head);
		text.write('"}', bytes - 2);
		return text;
	};
	const tooLarge: Refusal = { status: 413, code: "body_too_large", says: /20971520 bytes \(20 MiB\)/ };

	it("is refused with the limit", async () => {
		const before = requests();
		const response = await fetch(gateway.baseURL + CHAT, {
			method: "POST",
			headers: { authorization: `Bearer ${gateway.key}` },
			body: body(REQUEST_BODY_BYTES_MAX + 1),
		});
		await expectRefusal(response, tooLarge);
		expect(requests()).toEqual(before);
	});

	it("is refused with the limit also where its length is not said before", async () => {
		const { status, text } = await sendChunked(body(REQUEST_BODY_BYTES_MAX + 1));
		expect(status).toBe(413);
		expect((JSON.parse(text) as ErrorBody).error).toMatchObject({
			code: "body_too_large",
			message: expect.stringMatching(tooLarge.says),
		});
	});

	it("is none at the limit itself", async () => {
		const response = await fetch(gateway.baseURL + CHAT, {
			method: "POST",
			headers: { authorization: `Bearer ${gateway.key}` },
			body: body(REQUEST_BODY_BYTES_MAX),
		});
		expect(response.status, await response.text()).toBe(200);
	});

	/** Sends a body piece by piece with chunked encoding. */
	function sendChunked(bytes: Buffer): Promise<{ status: number; text: string }> {
		return new Promise((resolve, reject) => {
			const headers = { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" };
			const sending = request(gateway.baseURL + CHAT, { method: "POST", headers }, (response) => {
				let text = "";
				response.on("data", (chunk: Buffer) => (text += chunk.toString()));
				response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
				response.on("error", reject);
			});
			sending.on("error", reject);
			for (let at = 0; at < bytes.length; at += 1024 * 1024) sending.write(bytes.subarray(at, at + 1024 * 1024));
			sending.end();
		});
	}
});
