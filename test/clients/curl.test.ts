import { spawn, spawnSync } from "node:child_process";
import { describe, expect, it, type TestContext } from "vitest";
import { CHAT_MODEL } from "../support/small-catalog.ts";
import { MARK, startTestGateway, type ErrorBody } from "./helpers/test-gateway.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const gateway = await startTestGateway();

interface Finished {
	readonly code: number | null;
	readonly out: string;
}

/** Runs curl on a path after `/v1`, with `body` on its standard input. */
function curl(path: string, args: readonly string[], body = "", key = gateway.key): Promise<Finished> {
	const child = spawn("curl", ["-sS", ...args, "-H", `Authorization: Bearer ${key}`, gateway.baseURL + path]);
	child.stdin.end(body);
	let out = "";
	child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code) => resolve({ code, out }));
	});
}

function needsCurl({ skip }: TestContext): void {
	if (!hasCurl) skip("curl is not installed");
}

const JSON_BODY = ["-H", "Content-Type: application/json", "-d", "@-"];

function bodyOf(extra: object = {}): string {
	return JSON.stringify({ model: CHAT_MODEL, messages: [{ role: "user", content: MARK }], ...extra });
}

describe("curl", () => {
	it("gets a plain answer, with our headers", async (context) => {
		needsCurl(context);
		const { code, out } = await curl("/chat/completions", ["-i", ...JSON_BODY], bodyOf());
		expect(code).toBe(0);
		const [head = "", body = ""] = out.split("\r\n\r\n");
		expect(head).toMatch(/^HTTP\/1.1 200 OK/);
		expect(head).toMatch(/^x-isobar-request-id: req_/m);
		expect(JSON.parse(body)).toMatchObject({ object: "chat.completion" });
	});

	it("gets a stream that ends with [DONE]", async (context) => {
		needsCurl(context);
		const { code, out } = await curl(
			"/chat/completions",
			["-N", ...JSON_BODY],
			bodyOf({ stream: true, max_tokens: 20 }),
		);
		expect(code).toBe(0);
		const events = out.split("\n\n").filter(Boolean);
		expect(events.at(-1)).toBe("data: [DONE]");
		for (const event of events.slice(0, -1)) expect(JSON.parse(event.slice(6))).toHaveProperty("choices");
		expect(out).not.toContain('"choices":[],"usage"');
	});

	it("may send its body in chunks of unknown number, and wait for 100-continue", async (context) => {
		needsCurl(context);
		const chunked = ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"];
		const { code, out } = await curl("/chat/completions", [...chunked, ...JSON_BODY], bodyOf({ max_tokens: 5 }));
		expect(code).toBe(0);
		expect(JSON.parse(out)).toMatchObject({ usage: { completion_tokens: 5 } });
	});

	it("exits with 22 at an error and shows it", async (context) => {
		needsCurl(context);
		const { code, out } = await curl("/chat/completions", ["--fail-with-body", ...JSON_BODY], "{");
		expect(code).toBe(22);
		expect((JSON.parse(out) as ErrorBody).error.code).toBe("invalid_json");
	});

	it("lists models", async (context) => {
		needsCurl(context);
		const { out } = await curl("/models", []);
		expect(JSON.parse(out)).toMatchObject({ object: "list" });
	});
});
