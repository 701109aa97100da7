import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readSafetensors, writeSafetensors, zeroModel } from "../../../clients/typescript/src/model.ts";
import { versionDigest } from "../../../src/shared/federated/audit.ts";
import { ROW_PARAMETERS } from "../../../src/shared/federated/sizes.ts";

test("a file is read as it was written, in every type", () => {
	const shapes = fc.dictionary(
		fc.string({ minLength: 1, maxLength: 20 }).filter((name) => name !== "__metadata__" && name !== "__proto__"),
		fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
		{ minKeys: 1, maxKeys: 5 },
	);
	fc.assert(
		fc.property(shapes, fc.constantFrom("F32" as const, "F16" as const, "BF16" as const), (shapes, type) => {
			const model = zeroModel(shapes);
			model.values.forEach((_, i) => (model.values[i] = (i % 128) - 64));
			const read = readSafetensors(writeSafetensors(model, type, { by: "test" }));
			expect(read.values).toEqual(model.values);
			expect(new Map(read.tensors)).toEqual(new Map(model.tensors));
		}),
	);
});

test("a tensor is a view of the model's values, and a copy has values of its own", () => {
	const model = zeroModel({ a: [2], b: [2, 2], scalar: [] });
	model.tensor("b")[1] = 7;
	expect([...model.values]).toEqual([0, 0, 0, 7, 0, 0, 0]);
	const copy = model.copy();
	copy.tensor("a")[0] = 1;
	expect(model.values[0]).toBe(0);
	expect(() => model.tensor("c")).toThrow('no tensor "c"');
});

test("a model's digest is its version's, over the digests of its rows", async () => {
	const model = zeroModel({ a: [ROW_PARAMETERS + 3] });
	model.values.forEach((_, i) => (model.values[i] = i / 4));
	const rows = [model.values.slice(0, ROW_PARAMETERS), model.values.slice(ROW_PARAMETERS)];
	const digests = await Promise.all(rows.map((row) => crypto.subtle.digest("SHA-256", row)));
	const joined = Uint8Array.from(digests.flatMap((digest) => [...new Uint8Array(digest)]));
	expect(await model.digest()).toBe(await versionDigest(joined));
});

test.each([
	["is cut", (file: Uint8Array<ArrayBuffer>) => file.slice(0, -1)],
	["has more", (file: Uint8Array<ArrayBuffer>) => Uint8Array.of(...file, 0)],
	["is empty", () => new Uint8Array(0)],
	["has no JSON", (file: Uint8Array<ArrayBuffer>) => file.fill(0x78, 8, 20)],
])("a file that %s is no model", (_, spoil) => {
	const file = spoil(writeSafetensors(zeroModel({ a: [4] })));
	expect(() => readSafetensors(file)).toThrow(expect.objectContaining({ code: "model_invalid" }));
});
