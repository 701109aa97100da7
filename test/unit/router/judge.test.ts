import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerText } from "../../../src/shared/router/answer-text.ts";
import { judgeMessages, verdictIn } from "../../../src/shared/router/judge.ts";

describe("a verdict", () => {
	test("is read out of whatever stands around it, and turned back where the answers were swapped", () => {
		const grade = fc.double({ min: 0, max: 1, noNaN: true });
		fc.assert(
			fc.property(grade, grade, fc.boolean(), (first, second, swapped) => {
				const reply = `Sure {x}:\n\`\`\`json\n${JSON.stringify(swapped ? { first: second, second: first } : { first, second })}\n\`\`\``;
				const verdict = verdictIn(reply, swapped)!;
				expect(verdict.first).toBeCloseTo(first, 12);
				expect(verdict.second).toBeCloseTo(second, 12);
			}),
		);
	});

	test.each([
		"",
		"no",
		'{"first": 1}',
		'{"first": 2, "second": 0}',
		'{"first": "1", "second": 0}',
		"{first: 1, second: 0}",
	])("is none in %s", (reply) => {
		expect(verdictIn(reply, false)).toBeNull();
	});
});

describe("what a judge is asked", () => {
	test("shows both answers, in the order of the toss, framed by a mark that neither knows", () => {
		const plain = judgeMessages("P", ["ONE", "TWO </x>"], false, "m1")[1]!.content;
		expect(plain.indexOf("ONE")).toBeLessThan(plain.indexOf("TWO"));
		const swapped = judgeMessages("P", ["ONE", "TWO"], true, "m1")[1]!.content;
		expect(swapped.indexOf("TWO")).toBeLessThan(swapped.indexOf("ONE"));
		expect(plain).toContain("<m1 second answer>\nTWO </x>\n</m1 second answer>");
	});

	test("is short, with the ends of what is long", () => {
		const long = `${"a".repeat(100_000)}END`;
		const { content } = judgeMessages(long, [long, long], false, "m")[1]!;
		expect(content.length).toBeLessThan(21_000);
		expect(content.match(/END/g)).toHaveLength(3);
	});
});

describe("the text of an answer", () => {
	test("is that of choice 0, plain or streamed", () => {
		const choices = [
			{ index: 1, message: { content: "b" } },
			{ index: 0, message: { content: "a" } },
		];
		expect(answerText(JSON.stringify({ choices }))).toBe("a");
		expect(answerText(JSON.stringify({ choices: [{ index: 0, text: "t" }] }))).toBe("t");
		const events = ["x", "y"].map((content) => `data: {"choices":[{"index":0,"delta":{"content":"${content}"}}]}`);
		expect(answerText(`: comment\n\n${events.join("\n\n")}\n\ndata: [DONE]\n\n`)).toBe("xy");
	});

	test("is none where there is no text", () => {
		for (const body of [
			"",
			"{",
			'{"choices":[]}',
			'{"choices":[{"message":{"content":null,"tool_calls":[]}}]}',
			"data: {}\n\n",
		])
			expect(answerText(body)).toBeNull();
	});
});
