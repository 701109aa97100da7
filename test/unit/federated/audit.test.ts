import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
	bitsHex,
	canonicalJson,
	linkDigest,
	specificationDigest,
	updateDigest,
	versionDigest,
	type Link,
} from "../../../src/shared/federated/audit.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import type { FlushPlan } from "../../../src/shared/federated/messages.ts";
import { recomputedDigest } from "../../../src/shared/federated/recompute.ts";
import { ROW_PARAMETERS } from "../../../src/shared/federated/sizes.ts";

const LINK: Link & { readonly made: { readonly kind: "flush" } } = {
	previous: "ab",
	version: 3,
	versionDigest: "cd",
	made: {
		kind: "flush",
		parent: 2,
		step: 3,
		rule: { name: "fedavg" },
		optimiser: { name: "sgd", learning_rate: 1, momentum: 0 },
		updates: [
			{ id: "up_3_a", digest: "01", coefficient: 0.1 },
			{ id: "up_3_b", digest: "02", coefficient: 0.9 },
		],
		bases: [[1, 0.5]],
	},
};

test("a link changes with everything that it binds", async () => {
	const { made } = LINK;
	const [a, b] = made.updates;
	const others: readonly Link[] = [
		{ ...LINK, previous: "ac" },
		{ ...LINK, version: 4 },
		{ ...LINK, versionDigest: "ce" },
		{ ...LINK, made: { ...made, parent: 1 } },
		{ ...LINK, made: { ...made, step: 4 } },
		{ ...LINK, made: { ...made, rule: { name: "median" } } },
		{ ...LINK, made: { ...made, optimiser: { ...made.optimiser, name: "sgd", momentum: 0.5, learning_rate: 1 } } },
		{ ...LINK, made: { ...made, updates: [a!] } },
		{ ...LINK, made: { ...made, updates: [a!, { ...b!, digest: "03" }] } },
		// One bit of one coefficient.
		{ ...LINK, made: { ...made, updates: [a!, { ...b!, coefficient: 0.9 + 2 ** -53 }] } },
		{ ...LINK, made: { ...made, bases: [[1, -0.5]] } },
		{ ...LINK, made: { kind: "rollback", of: 1 } },
		{ ...LINK, made: { kind: "rollback", of: 2 } },
		{ ...LINK, made: { kind: "initial" } },
	];
	const digests = await Promise.all([LINK, ...others].map(linkDigest));
	expect(new Set(digests).size).toBe(others.length + 1);
	expect(await linkDigest(structuredClone(LINK))).toBe(digests[0]);
});

test("digests are those of any SHA-256", async () => {
	const hash = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
	const rows = new Uint8Array(64).fill(7);
	expect(await versionDigest(rows)).toBe(hash(rows));
	expect(await updateDigest("f16", ["aa", "bb"])).toBe(hash("isobar update 1\nf16\naa\nbb"));
	expect(await specificationDigest({ b: 1, a: [true, null] })).toBe(
		hash('isobar specification 1\n{"a":[true,null],"b":1}'),
	);
});

test("canonical JSON is JSON that does not depend on the order of names", () => {
	fc.assert(
		fc.property(fc.jsonValue(), (value) => {
			expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
		}),
	);
	fc.assert(
		fc.property(fc.dictionary(fc.string(), fc.integer()), (value) => {
			expect(canonicalJson(Object.fromEntries(Object.entries(value).reverse()))).toBe(canonicalJson(value));
		}),
	);
});

test("the bits of doubles", () => {
	expect([1, -0, 0.1, null].map(bitsHex)).toEqual(["3ff0000000000000", "8000000000000000", "3fb999999999999a", "-"]);
});

test("who holds the updates makes the same version, and another where one bit differs", async () => {
	const parameters = ROW_PARAMETERS + 500;
	const rowOf = (values: Float32Array, row: number) => values.slice(row * ROW_PARAMETERS, (row + 1) * ROW_PARAMETERS);
	const drawn = (seed: number) => Float32Array.from({ length: parameters }, (_, i) => Math.sin(i * seed));
	const parent = drawn(1);
	const [a, b] = [drawn(2), drawn(3)];
	const plan: FlushPlan = {
		version: 1,
		parent: 0,
		step: 1,
		updates: [
			{ id: "up_1_a", encoding: "f32", coefficient: 0.25 },
			{ id: "up_1_b", encoding: "bf16", coefficient: 0.75 },
		],
		bases: [],
		rule: { name: "fedavg" },
		optimiser: { name: "sgd", learning_rate: 1, momentum: 0.5 },
	};
	const recomputed = (a: Float32Array, plan: FlushPlan) =>
		recomputedDigest(plan, parameters, {
			weights: async (_, row) => rowOf(parent, row),
			optimiserState: async (_, row) => [new Float32Array(rowOf(parent, row).length)],
			update: async (id, row) => (id === "up_1_a" ? encode("f32", rowOf(a, row)) : encode("bf16", rowOf(b, row))),
		});
	const digest = await recomputed(a, plan);

	const bf16 = new Float32Array(
		new Uint32Array(new Uint16Array(encode("bf16", b).buffer)).map((half) => half << 16).buffer,
	);
	const expected = parent.map((value, i) => value + (0.25 * a[i]! + 0.75 * bf16[i]!));
	const rows = [0, 1].map((row) => createHash("sha256").update(rowOf(expected, row)).digest());
	expect(digest).toBe(createHash("sha256").update(Buffer.concat(rows)).digest("hex"));

	const changed = a.slice();
	new Uint32Array(changed.buffer)[ROW_PARAMETERS + 3]! ^= 2 ** 22;
	expect(await recomputed(changed, plan)).not.toBe(digest);
	const other = { ...plan, updates: [plan.updates[0]!, { ...plan.updates[1]!, coefficient: 0.75 + 2 ** -20 }] };
	expect(await recomputed(a, other)).not.toBe(digest);
});
