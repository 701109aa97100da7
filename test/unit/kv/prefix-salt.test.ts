import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyInputSchema } from "../../../src/shared/catalog/keys.ts";
import { engineSalt, saltOf } from "../../../src/shared/kv/prefix-salt.ts";

/** Letters of which names are made, few enough to be each other's beginnings often. */
const name = fc.stringMatching(/^[ab][ab-]{0,2}$/);
const sharer = fc.record({ tenant: name, prefix_group: fc.option(name, { nil: undefined, freq: 1 }) });
const own = fc.option(fc.string({ unit: fc.constantFrom("a", "b", "-", ":"), maxLength: 2 }), {
	nil: undefined,
	freq: 1,
});

/** As SGLang names a cache: the salt and the body's `extra_key`, one behind the other. */
const cacheOf = ({ tenant, prefix_group }: { tenant: string; prefix_group?: string | undefined }, salt?: string) => {
	const key = keyInputSchema.parse({ tenant, ...(prefix_group !== undefined && { policy: { prefix_group } }) });
	return (extraKey: string) => engineSalt(saltOf(key), salt) + extraKey;
};

describe("an engine's cache", () => {
	test("is opened by nobody else's salt, whatever the client sets in it or behind it", () => {
		fc.assert(
			fc.property(sharer, sharer, own, own, (one, other, salt, extraKey) => {
				const share =
					one.prefix_group === undefined
						? other.prefix_group === undefined && one.tenant === other.tenant
						: one.prefix_group === other.prefix_group;
				const cache = cacheOf(one, salt)(extraKey ?? "");
				// All that a client adds stands behind what is its tenant's alone.
				expect(cache.startsWith(cacheOf(one)(""))).toBe(true);
				expect(cache.startsWith(cacheOf(other)(""))).toBe(share);
			}),
			{ numRuns: 1_000 },
		);
	});

	test("is parted further by a salt of the client's own", () => {
		const acme = { tenant: "acme" };
		expect(cacheOf(acme)("")).toBe("isobar:tenant:acme:");
		expect(cacheOf(acme, "mine")("")).toBe("isobar:tenant:acme:mine");
		expect(cacheOf({ tenant: "acme", prefix_group: "all" }, "mine")("")).toBe("isobar:group:all:mine");
	});
});
