import { expect, test } from "vitest";
import { encode } from "../../../src/shared/federated/encode.ts";
import type { FlushPlan } from "../../../src/shared/federated/messages.ts";
import { optimiserSchema } from "../../../src/shared/federated/optimisers/registry.ts";
import { recomputedDigest } from "../../../src/shared/federated/recompute.ts";
import { ROW_PARAMETERS } from "../../../src/shared/federated/sizes.ts";

const PARAMETERS = ROW_PARAMETERS + 1_000;
const ENCODINGS = ["f32", "f16", "bf16", "int8", "f16"] as const;
const COEFFICIENTS = [0.1, 0.3, 1 / 3, 0.123456789, 0.77];

/** Numbers that any language makes alike. */
function drawn(seed: number): Float32Array<ArrayBuffer> {
	return Float32Array.from(
		{ length: PARAMETERS },
		(_, i) => (((i * 7_919 + seed * 104_729) % 65_537) - 32_768) / 2 ** 18,
	);
}

function rowOf(values: Float32Array<ArrayBuffer>, row: number): Float32Array<ArrayBuffer> {
	return values.slice(row * ROW_PARAMETERS, (row + 1) * ROW_PARAMETERS);
}

/** Origin: digests that a program of ours made with numpy 2.4.6, from the encoding of the updates to the hash of the rows. */
test.each([
	[
		{ name: "sgd", learning_rate: 0.7, momentum: 0.9 },
		"52cc4bc5ad8eee005d9043555d1126e27468d524b1ad5d023cfa241d03acbc57",
	],
	[{ name: "adam", preset: "flower" }, "e161395f4fcaeec356ae05d9c801af18d08c31476b2f2747f839375ed4845cf1"],
	[{ name: "yogi" }, "6aff9ececf981866ee8ececd3e7f2a77f75976e8d67ce57db6cdc1f47797fd2e"],
	[{ name: "adagrad" }, "9165d413a1d1191d70cb6ce2d755c4cbcd89adc17594639bb304b8197b9e63ec"],
])("numpy makes the same version bit by bit: %o", async (optimiser, digest) => {
	const updates = ENCODINGS.map((_, i) => drawn(i + 2));
	const plan: FlushPlan = {
		version: 7,
		parent: 6,
		step: 7,
		updates: ENCODINGS.map((encoding, i) => ({ id: `up_7_${i}`, encoding, coefficient: COEFFICIENTS[i]! })),
		bases: [[3, 0.45]],
		rule: { name: "fedavg" },
		optimiser: optimiserSchema.parse(optimiser),
	};
	const [parent, base] = [drawn(1), drawn(17)];
	const state = [drawn(23).map(Math.abs), drawn(29)].slice(
		0,
		optimiser.name === "sgd" || optimiser.name === "adagrad" ? 1 : 2,
	);
	const found = await recomputedDigest(plan, PARAMETERS, {
		weights: async (version, row) => rowOf(version === 6 ? parent : base, row),
		optimiserState: async (_, row) => state.map((values) => rowOf(values, row)),
		update: async (id, row) => encode(ENCODINGS[Number(id.at(-1))]!, rowOf(updates[Number(id.at(-1))]!, row)),
	});
	expect(found).toBe(digest);
});
