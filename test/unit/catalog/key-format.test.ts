import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	checkKeyFormat,
	crc32,
	displayKey,
	formatKey,
	formatKeyId,
	hashKey,
} from "../../../src/shared/catalog/key-format.ts";

const bytes = fc.uint8Array({ minLength: 24, maxLength: 24 });
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".split("");

describe("key format", () => {
	test("every key passes its own check and has one length", () => {
		fc.assert(
			fc.property(bytes, (random) => {
				const key = formatKey(random);
				expect(key).toMatch(/^isobar_[0-9A-Za-z]{39}$/);
				expect(checkKeyFormat(key)).toBe(true);
			}),
		);
	});

	test("different bytes make different keys", () => {
		fc.assert(fc.property(bytes, bytes, (a, b) => (formatKey(a) === formatKey(b)) === (Buffer.compare(a, b) === 0)));
	});

	test("any single wrong character is found", () => {
		const character = fc.oneof(fc.constantFrom(...BASE62), fc.string({ minLength: 1, maxLength: 1 }));
		fc.assert(
			fc.property(bytes, fc.nat({ max: 45 }), character, (random, at, other) => {
				const key = formatKey(random);
				fc.pre(key[at] !== other);
				expect(checkKeyFormat(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
			}),
			{ numRuns: 2_000 },
		);
	});

	test("two characters exchanged, cut off or added are found", () => {
		fc.assert(
			fc.property(bytes, fc.integer({ min: 7, max: 44 }), (random, at) => {
				const key = formatKey(random);
				const swapped = key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2);
				expect(checkKeyFormat(swapped)).toBe(swapped === key);
				expect(checkKeyFormat(key.slice(0, at))).toBe(false);
				expect(checkKeyFormat(key + key[at])).toBe(false);
			}),
		);
	});

	test.each(["", "isobar_", "sk-proj-abc", `isobar_${"0".repeat(39)}`, ` ${formatKey(new Uint8Array(24))}`])(
		"%j is none",
		(text) => {
			expect(checkKeyFormat(text)).toBe(false);
		},
	);

	test("the display shows four of its characters", () => {
		const key = formatKey(new Uint8Array(24).fill(255));
		expect(displayKey(key)).toBe(`${key.slice(0, 11)}…`);
	});
});

test("CRC-32 of the standard's check string", () => {
	// "123456789" -> CBF43926: the check value of CRC-32/ISO-HDLC in Ross Williams' catalogue of CRCs.
	expect(crc32("123456789")).toBe(0xcbf43926);
});

test("a key is stored under its SHA-256", async () => {
	// SHA-256("abc"), FIPS 180-2, appendix B.1.
	expect(await hashKey("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("ids sort by the second they were made in", () => {
	const random = fc.uint8Array({ minLength: 8, maxLength: 8 });
	const second = fc.nat({ max: 4e9 });
	fc.assert(
		fc.property(second, second, random, random, (a, b, x, y) => {
			fc.pre(a !== b);
			const [first, other] = [formatKeyId(a, x), formatKeyId(b, y)];
			expect(first).toMatch(/^key_[0-9A-Za-z]{17}$/);
			expect(first < other).toBe(a < b);
		}),
	);
});
