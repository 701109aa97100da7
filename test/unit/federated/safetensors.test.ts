import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	differenceOf,
	manifestOf,
	TENSOR_TYPE_BYTES,
	type Manifest,
	type TensorType,
} from "../../../src/shared/federated/manifest.ts";
import { readFileHead, readHeader, writeFileHead } from "../../../src/shared/federated/safetensors.ts";

const type = fc.constantFrom<TensorType>("F32", "F16", "BF16");
const shape = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 });
const models = fc
	.uniqueArray(fc.record({ name: fc.string({ minLength: 1, maxLength: 40 }), type, shape }), {
		selector: ({ name }) => name,
		minLength: 1,
		maxLength: 20,
	})
	.filter((tensors) => tensors.every(({ name }) => name !== "__metadata__"))
	.map((tensors) => manifestOf(tensors))
	.map((manifest) => (manifest.ok ? manifest.value : (undefined as never)));

function fileOf(header: unknown, dataBytes = 0): Uint8Array {
	const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
	const file = new Uint8Array(8 + json.length + dataBytes);
	new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
	file.set(json, 8);
	return file;
}

test("a head that was written is read as the same model", () => {
	fc.assert(
		fc.property(models, type, (manifest: Manifest, type) => {
			const head = writeFileHead(manifest, type, { run: "run_1" });
			const read = readFileHead(head);
			if (!read.ok) throw new Error(read.error.message);
			expect(read.value.manifest.tensors.map((tensor) => ({ ...tensor, type: "" }))).toEqual(
				manifest.tensors.map((tensor) => ({ ...tensor, type: "" })),
			);
			expect(read.value.dataBytes).toBe(manifest.parameters * TENSOR_TYPE_BYTES[type]);
			expect(read.value.dataOffset).toBe(head.length);
			expect(head.length % 8).toBe(0);
			expect(differenceOf(manifest, read.value.manifest)).toBe(null);
		}),
	);
});

test("tensors are placed by their data, whatever the order of their names", () => {
	const read = readHeader({
		b: { dtype: "F32", shape: [2], data_offsets: [4, 12] },
		a: { dtype: "BF16", shape: [2], data_offsets: [0, 4] },
	});
	expect(read).toMatchObject({
		ok: true,
		value: {
			dataBytes: 12,
			manifest: {
				parameters: 4,
				tensors: [
					{ name: "a", type: "BF16", offset: 0, parameters: 2 },
					{ name: "b", type: "F32", offset: 2, parameters: 2 },
				],
			},
		},
	});
});

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
	dtype: "F32",
	shape,
	data_offsets: [begin, end],
});

describe("refused, each by its name", () => {
	test.each([
		["a hole", { a: f32(0, 4), b: f32(8, 12) }, "layout_invalid"],
		["data that does not begin at 0", { a: f32(4, 8) }, "layout_invalid"],
		["an overlap", { a: f32(0, 8), b: f32(4, 12) }, "layout_invalid"],
		["two tensors in one place", { a: f32(0, 8), b: f32(0, 8) }, "layout_invalid"],
		["a tensor out of line", { a: { dtype: "F16", shape: [1], data_offsets: [0, 2] }, b: f32(2, 6) }, "layout_invalid"],
		["fewer bytes than its shape needs", { a: f32(0, 4, [2]) }, "tensor_invalid"],
		["a shape whose size is beyond all numbers", { a: f32(0, 4, [2 ** 30, 2 ** 30, 2 ** 30]) }, "tensor_invalid"],
		["a negative size", { a: f32(0, 4, [-1, -1]) }, "tensor_invalid"],
		["a size that is not whole", { a: f32(0, 4, [0.5, 2]) }, "tensor_invalid"],
		["an end before its beginning", { a: f32(4, 0, [0]) }, "tensor_invalid"],
		["rank 9", { a: f32(0, 4, [1, 1, 1, 1, 1, 1, 1, 1, 1]) }, "tensor_invalid"],
		["integers", { a: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, "type_unsupported"],
		["an unknown field", { a: { ...f32(0, 4), extra: 1 } }, "tensor_invalid"],
		["an empty name", { "": f32(0, 4) }, "tensor_invalid"],
		["a long name", { ["é".repeat(129)]: f32(0, 4) }, "tensor_invalid"],
		["metadata that is not text", { __metadata__: { a: 1 }, b: f32(0, 4) }, "header_invalid"],
		["no tensors", {}, "model_empty"],
		["no parameters", { a: f32(0, 0, [0]) }, "model_empty"],
		["more than 2^33 parameters", { a: f32(0, 2 ** 35, [2 ** 33]), b: f32(2 ** 35, 2 ** 35 + 4) }, "tensor_invalid"],
		["a list", [], "header_invalid"],
		["null", null, "header_invalid"],
	])("%s", (_, header, code) => {
		expect(readHeader(header)).toMatchObject({ ok: false, error: { code } });
	});

	test("a billion tensors are not even counted", () => {
		const file = fileOf("{}");
		new DataView(file.buffer).setBigUint64(0, 60n * 10n ** 9n, true);
		expect(readFileHead(file)).toMatchObject({ ok: false, error: { code: "header_too_large", limit: 2 ** 20 } });
	});

	test("10,001 tensors", () => {
		const header = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`t${i}`, f32(i * 4, i * 4 + 4)]));
		expect(readHeader(header)).toMatchObject({ ok: false, error: { code: "too_many_tensors", limit: 10_000 } });
		delete header["t10000"];
		expect(readHeader(header)).toMatchObject({ ok: true });
	});

	test("a file that is cut, and a header that is no text", () => {
		expect(readFileHead(Uint8Array.of(1, 0))).toMatchObject({ ok: false, error: { code: "file_cut" } });
		expect(readFileHead(fileOf({ a: f32(0, 4) }).subarray(0, 20))).toMatchObject({
			ok: false,
			error: { code: "file_cut" },
		});
		const broken = fileOf({ a: f32(0, 4) });
		broken[9] = 0xff;
		expect(readFileHead(broken)).toMatchObject({ ok: false, error: { code: "header_invalid" } });
	});
});

test("random bytes and random headers are read or refused, never thrown at", () => {
	fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readFileHead(bytes)));
	fc.assert(fc.property(fc.json(), (json) => void readFileHead(fileOf(json))));
	const tensor = fc.record(
		{
			dtype: fc.oneof(type, fc.anything()),
			shape: fc.oneof(shape, fc.anything()),
			data_offsets: fc.oneof(fc.array(fc.integer(), { maxLength: 3 }), fc.anything()),
		},
		{ requiredKeys: [] },
	);
	fc.assert(fc.property(fc.dictionary(fc.string(), tensor), (header) => void readHeader(header)));
});

test("another model cannot stand for a run's", () => {
	const model = readHeader({ a: f32(0, 24, [2, 3]), b: f32(24, 28, []) });
	const of = (header: object) => {
		const other = readHeader(header);
		return model.ok && other.ok ? differenceOf(model.value.manifest, other.value.manifest) : undefined;
	};
	expect(of({ a: f32(0, 24, [2, 3]), b: { dtype: "BF16", shape: [], data_offsets: [24, 26] } })).toBe(null);
	// A numpy server would spread this one over the other.
	expect(of({ a: f32(0, 12, [1, 3]), b: f32(12, 16, []) })).toMatchObject({ code: "model_mismatch", tensor: "a" });
	expect(of({ b: f32(0, 4, []), a: f32(4, 28, [2, 3]) })).toMatchObject({ code: "model_mismatch", tensor: "b" });
	expect(of({ a: f32(0, 24, [2, 3]) })).toMatchObject({ code: "model_mismatch", tensor: "b" });
	expect(of({ a: f32(0, 24, [2, 3]), b: f32(24, 28, []), c: f32(28, 32) })).toMatchObject({ tensor: "c" });
});
