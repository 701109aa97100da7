import { describe, expect, test } from "vitest";
import { unaskedPath } from "../../../src/shared/catalog/engines.ts";
import { SCALE_TO_ZERO, SCALE_TO_ZERO_NAMES } from "../../../src/shared/catalog/scale-to-zero.ts";
import { poolSchema, type Pool } from "../../../src/shared/catalog/schema.ts";
import { validateCatalog } from "../../../src/shared/catalog/validate.ts";
import { CONTEXT, sampleInput } from "./sample.ts";

function validate(zero: object, pool: object = {}): ReturnType<typeof validateCatalog> {
	const input = sampleInput();
	Object.assign(input.pools[0]!, { scale_to_zero: zero, ...pool });
	return validateCatalog(input, { ...CONTEXT, ownHosts: ["isobar.example.com"] });
}

function messages(zero: object, pool: object = {}): unknown {
	const result = validate(zero, pool);
	return result.ok ? { warnings: result.value.warnings } : result.error.details;
}

test("defaults are filled in: alone there, and to be kept warm when that pays", () => {
	const result = validate({ kind: "runpod_queue" });
	expect(result.ok && result.value.catalog.pools[0]?.scale_to_zero).toEqual({
		kind: "runpod_queue",
		sole_tenant: true,
		let_go: true,
		keep_warm: true,
	});
	expect(messages({ kind: "runpod_queue" })).toEqual({ warnings: [] });
});

test.each([
	[{ kind: "lambda" }, "scale_to_zero.kind"],
	[{ kind: "plain", idle_seconds: 0 }, "scale_to_zero.idle_seconds"],
	[{ kind: "plain", cold_seconds: "30" }, "scale_to_zero.cold_seconds"],
	[{ kind: "plain", bogus: 1 }, "scale_to_zero.bogus"],
	[{ kind: "vllm_sleep", sleep_level: 3 }, "scale_to_zero.sleep_level"],
	[{ kind: "llama_cpp", sleep_level: 1 }, "scale_to_zero.sleep_level"],
	[{ kind: "keda", status_url: "https://status.example.com" }, "scale_to_zero.status_url"],
	[{ kind: "huggingface", status_url: "ftp://status.example.com" }, "scale_to_zero.status_url"],
	[{ kind: "huggingface", status_url: "https://isobar.example.com/status" }, "scale_to_zero.status_url"],
	[{ kind: "plain", wake_url: "https://me:secret@example.com/wake" }, "scale_to_zero.wake_url"],
	[{ kind: "plain", secret: "ADMIN_TOKEN" }, "scale_to_zero.secret"],
])("refuses %j", (zero, field) => {
	expect(messages(zero)).toMatchObject({ problems: [{ path: `pools[0].${field}` }] });
});

test("what is doubtful is a warning: no status where only a URL tells it, and a secret in the clear", () => {
	expect(messages({ kind: "huggingface" })).toMatchObject({
		warnings: [{ path: "pools[0].scale_to_zero.status_url" }],
	});
	const url = "http://example.com/wake?deep=1";
	expect(messages({ kind: "plain", wake_url: url, secret: "VENDOR_KEY" })).toEqual({
		warnings: [{ path: "pools[0].scale_to_zero.wake_url", message: "sends the secret VENDOR_KEY unencrypted (http)" }],
	});
});

describe("what is asked of engines unasked", () => {
	const pool = (engine: Pool["engine"], kind?: string): Pool =>
		poolSchema.parse({ ...sampleInput().pools[0], engine, ...(kind && { scale_to_zero: { kind } }) });

	test("of pools that are always warm, whatever the engine has", () => {
		expect(unaskedPath(pool("vllm"), "health")).toBe("/health");
		expect(unaskedPath(pool("vllm"), "metrics")).toBe("/metrics");
		expect(unaskedPath(pool("openai"), "health")).toBeNull();
	});

	test("of pools that scale to zero, only what does not reach the engine's idle timer", () => {
		for (const kind of SCALE_TO_ZERO_NAMES) {
			const asked = (["health", "metrics"] as const).filter((path) => unaskedPath(pool("vllm", kind), path) !== null);
			expect(asked, kind).toEqual(SCALE_TO_ZERO[kind].harmless);
		}
		expect(unaskedPath(pool("llama_cpp", "llama_cpp"), "health")).toBe("/health");
		expect(unaskedPath(pool("llama_cpp", "llama_cpp"), "metrics")).toBeNull();
		expect(unaskedPath(pool("vllm", "runpod_load_balancer"), "health")).toBeNull();
	});
});
