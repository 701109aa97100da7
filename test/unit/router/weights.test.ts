import * as fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf, DIGEST_AT, HEADER_AT, WEIGHTS_BYTES_MAX } from "../../../src/shared/router/weights/layout.ts";
import { readWeights } from "../../../src/shared/router/weights/read.ts";
import { writeWeights } from "../../../src/shared/router/weights/write.ts";
import { sampleBytes, sampleWeights } from "./sample.ts";

/** With a digest that fits again. */
function sealed(bytes: Uint8Array): Uint8Array {
	const view = new DataView(bytes.buffer);
	const [low, high] = digestOf(bytes.subarray(DIGEST_AT + 8));
	view.setUint32(DIGEST_AT, low, true);
	view.setUint32(DIGEST_AT + 4, high, true);
	return bytes;
}

function errorOf(bytes: Uint8Array): string {
	const read = readWeights(bytes);
	return read.ok ? "ok" : read.error.kind;
}

function withHeader(change: (header: Record<string, never>) => void): Uint8Array {
	const bytes = sampleBytes();
	const end = HEADER_AT + new DataView(bytes.buffer).getUint32(HEADER_AT - 4, true);
	const header = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_AT, end)));
	change(header);
	// Of the same length, so that the sections stay where they are.
	const text = new TextEncoder().encode(JSON.stringify(header).padEnd(end - HEADER_AT, " "));
	bytes.set(text.subarray(0, end - HEADER_AT), HEADER_AT);
	return sealed(bytes);
}

test("what is written is read again, to the bit", () => {
	const weights = sampleWeights();
	expect(writeWeights(weights)).toEqual(sampleBytes());
	expect(weights.version).toMatch(/^[0-9a-f]{16}$/);
	expect(weights.models).toEqual(["chef", "clerk", "pilot"]);
});

test("bytes at any offset are read", () => {
	const bytes = sampleBytes();
	const moved = new Uint8Array(bytes.length + 3);
	moved.set(bytes, 3);
	expect(errorOf(moved.subarray(3))).toBe("ok");
});

test("a Node buffer is read, wherever it lies, and left alone afterwards", () => {
	const buffer = Buffer.concat([Buffer.alloc(5), sampleBytes()]).subarray(5);
	const read = readWeights(buffer);
	if (!read.ok) throw new Error(read.error.kind);
	buffer.fill(0);
	expect(writeWeights(read.value)).toEqual(sampleBytes());
});

test("every cut and every changed byte is an error", () => {
	const bytes = sampleBytes();
	fc.assert(
		fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
			expect(readWeights(bytes.subarray(0, at)).ok).toBe(false);
			const changed = bytes.slice();
			changed[at] = changed[at]! ^ change;
			expect(readWeights(changed).ok).toBe(false);
		}),
	);
});

test("a file of another format, of something else, or too large says so", () => {
	const other = sampleBytes();
	other[4] = 9;
	expect(readWeights(other)).toEqual({ ok: false, error: { kind: "format", format: 9, supported: 2 } });
	expect(errorOf(new TextEncoder().encode("<!doctype html><p>not found, and longer than a header"))).toBe(
		"not_weights",
	);
	expect(errorOf(new Uint8Array(WEIGHTS_BYTES_MAX + 1))).toBe("too_large");
	expect(errorOf(new Uint8Array())).toBe("not_weights");
});

test("values that would lead an estimator astray are errors, with a digest that fits", () => {
	const weights = sampleWeights();
	const kinds = (changed: typeof weights) => {
		const read = readWeights(writeWeights(changed));
		return read.ok ? "ok" : read.error.kind === "section" ? read.error.section : read.error.kind;
	};
	const heads = weights.modelHeads.slice();
	heads[3] = Number.NaN;
	expect(kinds({ ...weights, modelHeads: heads })).toBe("modelHeads");
	const linear = weights.linear.heads.slice();
	linear[1] = Number.POSITIVE_INFINITY;
	expect(kinds({ ...weights, linear: { ...weights.linear, heads: linear } })).toBe("linearHeads");
	const quality = weights.priors.quality.slice();
	quality[0] = 1.5;
	expect(kinds({ ...weights, priors: { ...weights.priors, quality } })).toBe("quality");
	const rows = weights.anchors.rows.slice();
	rows[0] = 65_000;
	expect(kinds({ ...weights, anchors: { ...weights.anchors, rows } })).toBe("anchorRows");
	const poolOf = weights.poolOf.slice();
	poolOf[0] = 7;
	expect(kinds({ ...weights, poolOf })).toBe("poolOf");
	expect(kinds(weights)).toBe("ok");
});

test("a header that lies about sizes or names is an error, with a digest that fits", () => {
	expect(errorOf(withHeader(() => {}))).toBe("ok");
	expect(errorOf(withHeader((header) => Object.assign(header.sizes!, { width: 9 })))).toBe("header");
	expect(errorOf(withHeader((header) => Object.assign(header.sizes!, { grams: 16 })))).toBe("cut");
	expect(errorOf(withHeader((header) => Object.assign(header, { models: ["chef", "chef", "pilot"] })))).toBe("header");
	expect(errorOf(withHeader((header) => Object.assign(header, { temperature: 0 })))).toBe("header");
});
