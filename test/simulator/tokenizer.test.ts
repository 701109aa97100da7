import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countTokens, Vocabulary, VOCABULARY_SIZE } from "./tokenizer.ts";

describe("the toy tokenizer", () => {
	it("gives as many tokens as it counts, within the vocabulary, and the text back", () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 200 }), (text) => {
				const vocabulary = new Vocabulary();
				const ids = vocabulary.encode(text);
				expect(ids).toHaveLength(countTokens(text));
				for (const id of ids) expect(id).toBeLessThan(VOCABULARY_SIZE);
				expect(vocabulary.decode(ids)).toBe(text);
			}),
		);
	});

	it("gives texts that begin alike tokens that begin alike", () => {
		fc.assert(
			fc.property(fc.string(), fc.string(), fc.string(), (start, a, b) => {
				const vocabulary = new Vocabulary();
				const shared = Math.floor(start.length / 4);
				expect(vocabulary.encode(start + a).slice(0, shared)).toEqual(vocabulary.encode(start + b).slice(0, shared));
			}),
		);
	});

	it("does not take one text for another", () => {
		const vocabulary = new Vocabulary();
		const words = Array.from({ length: 500 }, (_, i) => String(1_000 + i));
		expect(new Set(words.flatMap((word) => vocabulary.encode(word))).size).toBeGreaterThan(495);
	});
});
