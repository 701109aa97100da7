import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cardName } from "../../../src/shared/router/training/card-name.ts";
import { parseOutcomes } from "../../../src/shared/router/training/parse.ts";
import { parsePrices, withPrices } from "../../../src/shared/router/training/prices.ts";
import { splitByKey } from "../../../src/shared/router/training/split.ts";
import { sampleOutcomes } from "./sample.ts";

const options = { pool: "set", file: "set.jsonl", models: null };
const good = { id: "a", prompt: "why?", dataset: "set", domain: "law", scores: { "org/Model_1": 0.5 } };

function parse(rows: readonly unknown[], models: ReadonlySet<string> | null = null) {
	return parseOutcomes(rows.map((row) => JSON.stringify(row)).join("\n"), { ...options, models });
}

function faultOf(row: unknown, models: ReadonlySet<string> | null = null): string {
	const parsed = parse([good, row], models);
	return parsed.ok ? "ok" : `${parsed.error.file}:${parsed.error.line}:${parsed.error.code}`;
}

test("an outcome is read with its card names, domain, tokens and costs", () => {
	const row = {
		...good,
		scores: { "org/Model_1": 0.5 },
		out_chars: { "org/Model_1": 40 },
		cost_usd: { "org/Model_1": 0.01 },
	};
	const parsed = parse([row]);
	expect(parsed).toEqual({
		ok: true,
		value: [
			{
				key: "a",
				prompt: "why?",
				domain: "set/law",
				pool: "set",
				scores: new Map([["model_1", 0.5]]),
				outputTokens: new Map([["model_1", 10]]),
				usd: new Map([["model_1", 0.01]]),
			},
		],
	});
});

test("what is wrong with a line is named, with its file and number", () => {
	expect(faultOf(good)).toBe("ok");
	expect(faultOf({ ...good, prompt: undefined })).toBe("set.jsonl:2:field_missing");
	expect(faultOf({ ...good, scores: undefined })).toBe("set.jsonl:2:field_missing");
	expect(faultOf({ ...good, scores: {} })).toBe("set.jsonl:2:field_missing");
	expect(faultOf({ ...good, prompt: 7 })).toBe("set.jsonl:2:field_invalid");
	expect(faultOf({ ...good, domain: "" })).toBe("set.jsonl:2:field_invalid");
	expect(faultOf({ ...good, scores: { m: 1.01 } })).toBe("set.jsonl:2:score_out_of_range");
	expect(faultOf({ ...good, scores: { m: -0.1 } })).toBe("set.jsonl:2:score_out_of_range");
	expect(faultOf({ ...good, scores: { m: "1" } })).toBe("set.jsonl:2:score_out_of_range");
	expect(faultOf({ ...good, scores: { m: null } })).toBe("set.jsonl:2:score_out_of_range");
	expect(faultOf({ ...good, scores: { m: 1, M: 1 } })).toBe("set.jsonl:2:model_twice");
	expect(faultOf({ ...good, scores: { other: 1 } }, new Set(["model_1"]))).toBe("set.jsonl:2:model_unknown");
	expect(faultOf({ ...good, out_chars: { m: -1 } })).toBe("set.jsonl:2:field_invalid");
	expect(faultOf({ ...good, prompt: "x".repeat(1_000_001) })).toBe("set.jsonl:2:too_large");
	expect(faultOf([1])).toBe("set.jsonl:2:field_invalid");
	const cut = parseOutcomes('{"prompt": "a', options);
	expect(cut).toMatchObject({ ok: false, error: { code: "invalid_json", line: 1, file: "set.jsonl" } });
	expect(parseOutcomes("\n\n", options)).toMatchObject({ ok: false, error: { code: "empty" } });
});

test("marks of MT-bench's judge go up to ten", () => {
	expect(parse([{ ...good, dataset: "mt_bench", scores: { m: 7 } }])).toMatchObject({ ok: true });
	expect(faultOf({ ...good, dataset: "mt_bench", scores: { m: 11 } })).toBe("set.jsonl:2:score_out_of_range");
});

test("names of the same model in several sets become one", () => {
	expect(cardName("Meta-Llama-3_1-8B-Instruct")).toBe("llama-3.1-8b-instruct");
	expect(cardName("Meta-Llama-3.1-8B-Instruct")).toBe("llama-3.1-8b-instruct");
	expect(cardName("mistralai/mixtral-8x7b-chat")).toBe("mixtral-8x7b-chat");
	expect(cardName("meta/code-llama-instruct-34b-chat")).toBe("code-llama-instruct-34b-chat");
});

test("a split keeps keys together, loses nothing, and is independent of a split for another purpose", () => {
	fc.assert(
		fc.property(fc.nat(1_000), fc.constantFrom(0.2, 0.5), (seed, share) => {
			const outcomes = sampleOutcomes(400);
			const twice = [...outcomes, ...outcomes];
			const [first, second] = splitByKey(twice, share, "one", seed);
			expect(first.length + second.length).toBe(twice.length);
			const keys = new Set(first.map(({ key }) => key));
			expect(second.some(({ key }) => keys.has(key))).toBe(false);
			expect(Math.abs(second.length / twice.length - share)).toBeLessThan(0.12);
			// Splitting what is left for another purpose takes the same share of it again.
			const [left, again] = splitByKey(first, share, "two", seed);
			expect(Math.abs(again.length / (left.length + again.length) - share)).toBeLessThan(0.14);
		}),
		{ numRuns: 25 },
	);
});

test("prices make costs of lengths, and never replace what was paid", () => {
	const prices = parsePrices('{"M": {"input": 1, "output": 10}}');
	if (!prices.ok) throw new Error(prices.error);
	const outcome = { ...sampleOutcomes(1)[0]!, prompt: "x".repeat(400), outputTokens: new Map([["m", 50]]) };
	expect(withPrices([outcome], prices.value)[0]!.usd.get("m")).toBeCloseTo(600e-6, 12);
	expect(withPrices([{ ...outcome, usd: new Map([["m", 3]]) }], prices.value)[0]!.usd.get("m")).toBe(3);
	expect(parsePrices('{"m": {"input": 1}}').ok).toBe(false);
	expect(parsePrices("[]").ok).toBe(false);
	expect(parsePrices("{").ok).toBe(false);
});
