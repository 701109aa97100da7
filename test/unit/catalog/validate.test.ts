import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CatalogContext } from "../../../src/shared/catalog/checks.ts";
import type { Problem } from "../../../src/shared/catalog/problems.ts";
import type { IsobarError } from "../../../src/shared/http/errors.ts";
import { CATALOG_BYTES_MAX } from "../../../src/shared/limits.ts";
import { parseCatalog, validateCatalog } from "../../../src/shared/catalog/validate.ts";
import { CONTEXT, sampleInput } from "./sample.ts";

function failure(change: (input: object) => void, context: Partial<CatalogContext> = {}): IsobarError {
	const input = sampleInput();
	change(input);
	const result = validateCatalog(input, { ...CONTEXT, ...context });
	if (result.ok) throw new Error("expected the catalog to be refused");
	return result.error;
}

function problemsOf(error: IsobarError): readonly Problem[] {
	return JSON.parse(JSON.stringify(error.details?.problems));
}

function problems(change: (input: object) => void, context: Partial<CatalogContext> = {}): readonly Problem[] {
	return problemsOf(failure(change, context));
}

/** Sets what stands at a path (`pools.0.model`), as one would in an editor. */
function set(holder: object, path: string, value: unknown): void {
	const [step = "", ...rest] = path.split(".");
	const inner: unknown = Reflect.get(holder, step);
	if (rest.length === 0) Reflect.set(holder, step, value);
	else if (typeof inner === "object" && inner !== null) set(inner, rest.join("."), value);
	else throw new Error(`there is no ${path}`);
}

test("a good catalog passes without a warning, with its defaults filled in", () => {
	const result = validateCatalog(sampleInput(), CONTEXT);
	expect(result).toMatchObject({ ok: true, value: { warnings: [] } });
	if (result.ok) expect(result.value.catalog.pools[1]?.max_concurrency).toBe(64);
});

test("a catalog without models passes with a warning", () => {
	expect(validateCatalog({ models: [], pools: [] }, CONTEXT)).toMatchObject({
		ok: true,
		value: {
			warnings: [{ path: "models", message: "there is no model: every prompt is answered with catalog_empty" }],
		},
	});
});

describe("shape", () => {
	test.each([
		["pools.0.replicas.1.url", 3, "pools[0].replicas[1].url", "expected string, received number"],
		["pools.0.engine", "tgi", "pools[0].engine", 'expected one of "vllm"|"sglang"|"llama_cpp"|"openai"'],
		["pools.0.bogus", 1, "pools[0].bogus", "unknown field"],
		["models.0.odd name", 1, 'models[0]["odd name"]', "unknown field"],
		["pools.0.place.region", undefined, "pools[0].place.region", "missing (expected string)"],
		["pools.0.secret", "sk-live-1234", "pools[0].secret", "the name of a Worker secret, such as VLLM_API_KEY"],
	])("%s = %j", (path, value, at, message) => {
		expect(problems((input) => set(input, path, value))).toContainEqual({ path: at, message });
	});

	test.each([[null], [[]], ["catalog"], [3]])("a document that is %j", (document) => {
		const result = validateCatalog(document, CONTEXT);
		expect(result).toMatchObject({ ok: false, error: { code: "catalog_invalid" } });
	});

	test("never throws, whatever JSON it gets", () => {
		fc.assert(
			fc.property(fc.jsonValue(), fc.jsonValue(), (models, pools) => {
				const result = validateCatalog({ models, pools }, CONTEXT);
				expect(result.ok).toBe(JSON.stringify([models, pools]) === "[[],[]]");
			}),
		);
	});
});

describe("what the parts say of one another", () => {
	test("an unknown model comes with the nearest name", () => {
		expect(problems((input) => set(input, "pools.1.model", "llama-3.1-8B-x"))).toContainEqual({
			path: "pools[1].model",
			message: 'unknown model "llama-3.1-8B-x"; did you mean "llama-3.1-8b"?',
		});
	});

	test.each([
		["pools.1.model", "llama", "pools[1].model", /alias, use the id "llama-3.1-8b"/],
		["models.1.id", "llama-3.1-8b", "models[1].id", /duplicate name "llama-3.1-8b": it is models\[0\]\.id/],
		["models.1.aliases", ["llama"], "models[1].aliases[0]", /duplicate name "llama"/],
		["models.1.aliases", ["llama-3.1-8b"], "models[1].aliases[0]", /duplicate name/],
		["models.0.aliases", ["auto"], "models[0].aliases[0]", /"auto" is reserved/],
		["models.0.default_max_tokens", 131_073, "models[0].default_max_tokens", /context_length \(131072\)/],
		["models.0.active_parameters_billion", 9, "models[0].active_parameters_billion", /parameters_billion \(8\)/],
		["pools.1.id", "l4", "pools[1].id", /duplicate pool id "l4": it is pools\[0\]\.id/],
		["pools.0.replicas.1.id", "a", "pools[0].replicas[1].id", /duplicate replica id "a"/],
		["pools.0.context_length", 131_073, "pools[0].context_length", /longer than that of model/],
		["pools.0.capabilities", ["chat", "vision"], "pools[0].capabilities[1]", /capability "vision"/],
		["pools.2.secret", "ADMIN_TOKEN", "pools[2].secret", /gateway's own/],
	])("%s = %j", (path, value, at, message) => {
		expect(problems((input) => set(input, path, value))).toContainEqual({
			path: at,
			message: expect.stringMatching(message),
		});
	});

	test("all problems come at once, those of shape and those of sense, and the first is the message", () => {
		const error = failure((input) => {
			set(input, "models.1.context_length", 0);
			set(input, "pools.0.model", "x");
			set(input, "pools.1.secret", "NOT_SET");
			set(input, "pools.2.replicas.0.url", "ftp://host");
		});
		const paths = problemsOf(error).map((problem) => problem.path);
		// pools[3] names models[1], which is there but unreadable: that is not the pool's fault.
		expect(paths).toEqual([
			"models[1].context_length",
			"pools[0].model",
			"pools[2].replicas[0].url",
			"pools[1].secret",
		]);
		expect(error).toMatchObject({ code: "catalog_invalid", param: "models[1].context_length" });
		expect(error.message).toMatch(/^The catalog is not valid: models\[1\]\.context_length: .* \(and 3 more\)$/);
	});
});

describe("secrets", () => {
	test("a secret that is not set, when nothing else is wrong", () => {
		const error = failure(() => {}, { hasSecret: () => false });
		expect(error.code).toBe("secret_missing");
		expect(error.details?.problems).toHaveLength(2);
		expect(error.param).toBe("pools[2].secret");
		expect(error.message).toContain(
			"VENDOR_KEY is not set; set it with: wrangler secret put VENDOR_KEY (for npm start: a line VENDOR_KEY=… in .dev.vars, and start again)",
		);
	});

	test("a secret that no header can carry", () => {
		const error = failure(() => {}, { isSendable: () => false });
		expect(error).toMatchObject({ code: "catalog_invalid", param: "pools[2].secret" });
		expect(error.message).toContain("a line break or a character outside ASCII");
	});
});

describe("replica URLs", () => {
	const own = ["gateway.example.com", "localhost:8787"];

	test.each([
		["ftp://host", /http or https/],
		["javascript:alert(1)", /http or https/],
		["host:8000", /http or https/],
		["10.0.0.1", /not a URL/],
		["", /not a URL/],
		["http://", /not a URL/],
		["http://a b", /not a URL/],
		["http://host\n", /not a URL/],
		["http://user:pw@host", /user name or password/],
		["http://user@host", /user name or password/],
		["http://host?", /no query/],
		["http://host/?key=1", /no query/],
		["http://host#x", /no fragment/],
		["https://api.vendor.example/v1", /before \/v1/],
		["https://api.vendor.example/v1/", /before \/v1/],
		["https://api.vendor.example/v1/chat/completions", /before \/v1/],
		["https://gateway.example.com", /loop/],
		["http://GATEWAY.example.com:80/x", /loop/],
		["https://gateway.example.com.", /loop/],
		["http://127.0.0.1:8787", /loop/],
		["http://[::1]:8787", /loop/],
		["http://0.0.0.0:8787", /loop/],
		["http://[::ffff:127.0.0.1]:8787", /loop/],
	])("%j", (url, message) => {
		const found = problems((input) => set(input, "pools.0.replicas.0.url", url), { ownHosts: own });
		expect(found).toEqual([{ path: "pools[0].replicas[0].url", message: expect.stringMatching(message) }]);
	});

	test.each(["http://127.0.0.1:8788", "https://gw2.example.com", "https://hub.example/v1/account/openai"])(
		"%s is fine",
		(url) => {
			const input = sampleInput();
			set(input, "pools.0.replicas.0.url", url);
			expect(validateCatalog(input, { ...CONTEXT, ownHosts: own }).ok).toBe(true);
		},
	);

	test("the same model at the same URL twice is a duplicate, however it is spelled", () => {
		expect(problems((input) => set(input, "pools.0.replicas.1.url", "HTTP://10.0.0.1:8000/"))).toEqual([
			{ path: "pools[0].replicas[1].url", message: "duplicate URL: pools[0].replicas[0].url is the same replica" },
		]);
	});

	test("two models behind one URL: what an API is, and a warning on GPUs", () => {
		const input = sampleInput();
		set(input, "pools.1.replicas.0.url", "http://10.0.0.1:8000");
		expect(validateCatalog(input, CONTEXT)).toMatchObject({
			ok: true,
			value: {
				warnings: [{ path: "pools[1].replicas[0].url", message: expect.stringContaining("pools[0].replicas[0].url") }],
			},
		});
	});
});

describe("warnings", () => {
	test.each([
		["pools.0.gpu.type", "H1000", "pools[0].gpu.type"],
		["pools.0.price.usd", 0, "pools[0].price.usd"],
		["pools.2.price.input", 0, "pools[2].price.input"],
		["pools.2.price.output", 0, "pools[2].price.output"],
		["pools.2.replicas.0.url", "http://api.vendor.example", "pools[2].replicas[0].url"],
		["pools.3.model", "llama-3.1-8b", "models[1]"],
	])("%s = %j", (path, value, at) => {
		const input = sampleInput();
		set(input, path, value);
		// Moved to the other model, the fourth pool would be the third's duplicate.
		if (path === "pools.3.model") set(input, "pools.3.upstream_model", "other");
		const result = validateCatalog(input, CONTEXT);
		expect(result.ok && result.value.warnings.map((warning) => warning.path)).toContain(at);
	});
});

describe("text", () => {
	test("too large: the limit is named", () => {
		const text = JSON.stringify(sampleInput()).padEnd(CATALOG_BYTES_MAX + 1);
		const result = parseCatalog(text, CONTEXT);
		expect(result).toMatchObject({
			ok: false,
			error: { code: "body_too_large", details: { limit_bytes: CATALOG_BYTES_MAX } },
		});
		expect(parseCatalog(text.slice(0, -1), CONTEXT).ok).toBe(true);
		if (!result.ok) expect(result.error.message).toContain("1000000 bytes");
	});

	test("bytes count, not characters", () => {
		expect(parseCatalog(`"${"é".repeat(CATALOG_BYTES_MAX / 2)}"`, CONTEXT)).toMatchObject({
			error: { code: "body_too_large" },
		});
	});

	test.each(["", "{", "{'models':[]}"])("not JSON: %j", (text) => {
		expect(parseCatalog(text, CONTEXT)).toMatchObject({ ok: false, error: { code: "invalid_json" } });
	});

	test("one mistake in every replica is not listed ten thousand times", () => {
		const error = failure((input) =>
			set(
				input,
				"pools.0.replicas",
				Array.from({ length: 300 }, (_, index) => ({ id: `r${index}`, url: "x" })),
			),
		);
		expect(error.details?.problems).toHaveLength(100);
		expect(error.details?.problems_total).toBe(300);
	});
});
