import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasRestarted, readEngineMark, type EngineMark } from "../../../src/shared/kv/engine-mark.ts";

describe("what tells one life of an engine from the next", () => {
	test("is read from vLLM's metrics: the start time, and counters summed over labels", () => {
		// In the format of vLLM's /metrics (prometheus_client's text exposition).
		const text = `# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="a b"} 3.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="a b"} 4.0
vllm:num_requests_running{engine="0",model_name="a b"} 9.0
vllm:e2e_request_latency_seconds_sum{engine="0"} 12.5
process_start_time_seconds 1.79543239812e+09
python_info{implementation="CPython"} 1.0
`;
		expect(readEngineMark(text)).toEqual({
			startedAt: 1_795_432_398.12,
			counters: { "vllm:request_success_total": 7 },
		});
	});

	test.each(["", "not metrics", "# only comments\n", "vllm:x_total NaN", "up 1\n"])("is not in %j", (text) => {
		expect(readEngineMark(text)).toBeNull();
	});

	test("is bounded and never throws, whatever an engine answers", () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 2_000 }), (text) => {
				const mark = readEngineMark(text);
				if (mark) expect(Object.keys(mark.counters).length).toBeLessThanOrEqual(8);
			}),
		);
		const many = Array.from({ length: 1_000 }, (_, i) => `vllm:c${i}_total 1`);
		const { counters } = readEngineMark([...many, "vllm:generation_tokens_total 5"].join("\n"))!;
		expect(Object.keys(counters)).toHaveLength(8);
		expect(counters).toMatchObject({ "vllm:generation_tokens_total": 5, "vllm:c0_total": 1 });
	});

	const mark = (startedAt: number | null, counters: EngineMark["counters"]): EngineMark => ({ startedAt, counters });

	test("start times decide where both are known, counters otherwise", () => {
		expect(hasRestarted(mark(100, { a: 5 }), mark(100.4, { a: 0 }))).toBe(false);
		expect(hasRestarted(mark(100, { a: 5 }), mark(160, { a: 50 }))).toBe(true);
		expect(hasRestarted(mark(null, { a: 5 }), mark(160, { a: 5 }))).toBe(false);
		expect(hasRestarted(mark(null, { a: 5, b: 1 }), mark(null, { a: 6, b: 0 }))).toBe(true);
		// A metric that is no longer there says nothing.
		expect(hasRestarted(mark(null, { a: 5 }), mark(null, {}))).toBe(false);
	});

	test("counters that only grow are the same life", () => {
		const counters = fc.dictionary(fc.string(), fc.nat(), { maxKeys: 8 });
		fc.assert(
			fc.property(counters, fc.nat(), (before, growth) => {
				const after = Object.fromEntries(Object.entries(before).map(([name, value]) => [name, value + growth]));
				expect(hasRestarted(mark(null, before), mark(null, after))).toBe(false);
			}),
		);
	});
});
