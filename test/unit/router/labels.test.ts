import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anchorRows } from "../../../src/shared/router/anchor-rows.ts";
import { LABEL_LINES_MAX, readLabels } from "../../../src/shared/router/operator-labels.ts";
import type { Estimator } from "../../../src/shared/router/prompt-estimate.ts";

const MODELS = new Map([
	["small", "small"],
	["small-alias", "small"],
	["large", "large"],
]);
const line = (scores: object, prompt: unknown = "what?") => JSON.stringify({ prompt, scores });

describe("labelled prompts", () => {
	test("are read as they were written, models that are not scored absent", () => {
		const score = fc.double({ min: 0, max: 1, noNaN: true });
		const label = fc.record({
			prompt: fc.string({ minLength: 1 }).filter((text) => text.trim() !== ""),
			scores: fc.oneof(fc.record({ small: score }), fc.record({ small: score, large: score })),
		});
		fc.assert(
			fc.property(fc.array(label, { minLength: 1, maxLength: 20 }), (labels) => {
				const text = labels.map((each) => JSON.stringify({ id: "x", ...each })).join("\n");
				const read = readLabels(`${text}\n\n`, MODELS);
				const plain = JSON.parse(JSON.stringify(labels)) as unknown;
				expect(read.ok && JSON.parse(JSON.stringify(read.value))).toEqual(plain);
			}),
		);
	});

	test("go by every name that a model has", () => {
		expect(readLabels(line({ "small-alias": 0.5 }), MODELS)).toEqual({
			ok: true,
			value: [{ prompt: "what?", scores: { small: 0.5 } }],
		});
	});

	test.each([
		["{", "not JSON", undefined],
		["[1]", "not an object", undefined],
		[line({ small: 1 }, ""), "must be a text", "prompt"],
		[line({ small: 1 }, 7), "must be a text", "prompt"],
		['{"prompt":"x"}', "must be an object", "scores"],
		[line({}), "scores no model", "scores"],
		[line({ small: 1.2 }), "from 0 to 1", 'scores["small"]'],
		[line({ small: "1" }), "from 0 to 1", 'scores["small"]'],
		[line({ small: null }), "from 0 to 1", 'scores["small"]'],
		[line({ smal: 1 }), 'did you mean "small"', 'scores["smal"]'],
		['{"prompt":"x","scores":{"__proto__":1}}', "no such model", 'scores["__proto__"]'],
		[line({ small: 1, "small-alias": 0 }), "scored twice", 'scores["small-alias"]'],
	])("that are wrong are refused with their line: %s", (wrong, says, param) => {
		const read = readLabels(`${line({ small: 1 })}\n\n${wrong}`, MODELS);
		expect(read).toMatchObject({ ok: false, error: { code: "labels_invalid", details: { line: 3 } } });
		expect(!read.ok && read.error.message).toContain(says);
		expect(!read.ok && read.error.param).toBe(param);
	});

	test("are at least one and at most 4,000", () => {
		expect(readLabels("\n \n", MODELS)).toMatchObject({ ok: false, error: { code: "labels_invalid" } });
		const most = Array.from({ length: LABEL_LINES_MAX }, () => line({ small: 1 })).join("\n");
		expect(readLabels(most, MODELS).ok).toBe(true);
		expect(readLabels(`${most}\n${line({ small: 1 })}`, MODELS)).toMatchObject({
			error: { details: { line: LABEL_LINES_MAX + 1, limit_lines: LABEL_LINES_MAX } },
		});
	});
});

describe("their rows", () => {
	const estimator: Estimator = {
		models: ["card-of-small"],
		domains: ["math", "law", "code", "art", "wine", "dust"],
		version: "v",
		estimate: (prompt) => ({
			posterior: Float64Array.of(0.05, 0.5, 0.3, 0.1, 0.04, 0.01),
			inDomain: prompt !== "strange",
			entropy: 0.5,
			similarity: null,
			quality: Float64Array.of(0.8),
			standardError: Float64Array.of(0.1),
			outputTokens: Float64Array.of(Number.NaN),
		}),
	};
	const rows = (prompt: string) =>
		anchorRows([{ prompt, scores: { small: 1, large: 0 } }], estimator, (model) => (model === "small" ? 0 : null));

	test("have the likeliest domains, and what the card expects of models that have one", () => {
		expect(rows("x")).toEqual([
			{
				domains: [
					{ name: "law", p: 0.5 },
					{ name: "code", p: 0.3 },
					{ name: "art", p: 0.1 },
					{ name: "math", p: 0.05 },
					{ name: "wine", p: 0.04 },
				],
				scores: { small: 1, large: 0 },
				cards: { small: 0.8 },
			},
		]);
	});

	test("are in no domain where the prompt is like nothing known", () => {
		expect(rows("strange")[0]!.domains).toEqual([]);
	});
});
