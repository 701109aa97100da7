import { describe, expect, it } from "vitest";
import { formatRequest, parseRequestLog } from "../../scripts/request-line.ts";

const line = {
	event: "request",
	id: "req_1",
	model: "llama-3.1-8b",
	pool: "h100",
	replica: "h100/a",
	why: "cheapest",
	status: 200,
	outcome: "ok",
	attempts: 1,
	ttft_seconds: 0.2134,
	prompt_tokens: 34,
	cached_tokens: 16,
	completion_tokens: 120,
	cost_usd: 0.000004,
	seconds: 1.4,
};

describe("the line of a request", () => {
	it("tells model, replica, reason, times, tokens and cost", () => {
		const log = parseRequestLog(JSON.stringify(line));
		expect(log && formatRequest(log)).toBe(
			"200 llama-3.1-8b on h100/a (cheapest) TTFT 0.21 s, 1.40 s, 34 (16 cached) + 120 tokens, $0.0000040",
		);
	});

	it("tells of a router which model it chose, and why", () => {
		const routed = { ...line, router: "default", route: "best of 3: quality 0.81, $0.0004" };
		const log = parseRequestLog(JSON.stringify(routed));
		expect(log && formatRequest(log)).toMatch(
			/^200 auto:default \(best of 3: quality 0.81, \$0.0004\) > llama-3.1-8b on h100\/a \(cheapest\) /,
		);
	});

	it("leaves out what a refused request does not have", () => {
		const refused = {
			...line,
			status: 429,
			outcome: "failed",
			error: "overloaded",
			pool: null,
			replica: null,
			why: null,
			ttft_seconds: null,
		};
		const log = parseRequestLog(JSON.stringify({ ...refused, prompt_tokens: null, cost_usd: null, seconds: 0.003 }));
		expect(log && formatRequest(log)).toBe("429 overloaded llama-3.1-8b 0.00 s");
	});

	it.each([
		[{ outcome: "cut", error: "upstream_cut" }, "200 cut upstream_cut llama-3.1-8b on h100/a (cheapest) TTFT"],
		[{ outcome: "client_gone" }, "200 client gone llama-3.1-8b on"],
		[{ outcome: "client_gone", status: 499 }, "499 client gone llama-3.1-8b on"],
		[{ outcome: "refused", status: 400 }, "400 refused by the pool llama-3.1-8b on"],
		[{ outcome: "failed", error: "upstream_failed", status: 502 }, "502 upstream_failed llama-3.1-8b on"],
		[{ attempts: 3 }, "200 llama-3.1-8b on h100/a (cheapest) 3 attempts, TTFT 0.21 s, 1.40 s"],
	])("says how it ended where that was not well: %j", (extra, beginning) => {
		const log = parseRequestLog(JSON.stringify({ ...line, ...extra }));
		expect(log && formatRequest(log).slice(0, beginning.length)).toBe(beginning);
	});

	it.each(["plain text", "{ not JSON", '{"event":"other"}', "[]", ""])("is not made of %j", (text) => {
		expect(parseRequestLog(text)).toBeNull();
	});
});
