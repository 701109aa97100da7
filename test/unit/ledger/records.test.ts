import * as fc from "fast-check";
import { expect, test } from "vitest";
import { explanationIn, recordText } from "../../../src/shared/ledger/records.ts";
import { RECORD_BYTES_MAX } from "../../../src/shared/limits.ts";
import { record } from "./memory.ts";

const bytes = (text: string) => new TextEncoder().encode(text).byteLength;
const decision = (replicas: number) =>
	JSON.stringify({
		replicas: Array.from({ length: replicas }, (_, n) => `pool/${n}`),
		rejected: Array.from({ length: replicas }, () => 0),
		values: Array.from({ length: replicas * 7 }, () => 1 / 3),
	});

test("a record is stored whole while it is short enough", () => {
	const whole = record("r", { decision: decision(500) });
	expect(JSON.parse(recordText(whole))).toEqual(whole);
});

test("a decision is read as text, and as the object that older records hold", () => {
	const object = { replicas: ["p/a"], rejected: [0], values: [1, 2, 3, 4, 5, 6, 7] };
	expect(explanationIn(JSON.stringify(object))).toEqual(object);
	expect(explanationIn(object)).toEqual(object);
});

test("a decision too large to keep is left out, and the rest is kept", () => {
	const large = record("r", { decision: decision(5_000) });
	expect(JSON.parse(recordText(large))).toEqual({ ...large, decision: null });
});

test("no record is larger than the bound, whatever a client or a pool wrote into it", () => {
	const text = fc
		.tuple(fc.constantFrom("a", "€", "😀", "\u0001", "\ud800"), fc.integer({ min: 0, max: 20_000 }))
		.map(([c, n]) => c.repeat(n));
	fc.assert(
		fc.property(text, text, fc.nat(40), (name, failure, tries) => {
			const attempts = Array.from({ length: tries }, () => ({ replica: name, status: null, failure, seconds: 1 }));
			const stored = recordText(
				record("r", { requested_model: name, error: failure, attempts, decision: decision(100) }),
			);
			expect(bytes(stored)).toBeLessThanOrEqual(RECORD_BYTES_MAX);
			expect(JSON.parse(stored)).toMatchObject({ id: "r", model: "m" });
			// Whole or left out, never cut.
			expect([decision(100), null]).toContain(JSON.parse(stored).decision);
		}),
		{ numRuns: 40 },
	);
});
