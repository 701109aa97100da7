import { describe, expect, test } from "vitest";
import { worstNano } from "../../../functions/route/worst-nano.ts";
import { buildSnapshot } from "../../../src/shared/catalog/snapshot.ts";
import { catalogSchema, type CatalogInput } from "../../../src/shared/catalog/schema.ts";
import type { Capability } from "../../../src/shared/catalog/schema.ts";

type PoolInput = CatalogInput["pools"][number];

const pool = (id: string, input: number, more: Partial<PoolInput> = {}): PoolInput => ({
	id,
	model: "m",
	engine: "openai",
	place: { provider: "p", region: id },
	price: { per: "million_tokens", input, output: 0 },
	replicas: [{ id: "a", url: `https://${id}.test` }],
	...more,
});

function worst(pools: PoolInput[], request: { needs?: Capability[]; bytes?: number; regions?: string[] } = {}): number {
	const { needs = ["chat"], bytes = 1_000, regions } = request;
	const models: CatalogInput["models"] = [{ id: "m", context_length: 32_000, capabilities: ["chat", "vision"] }];
	const model = buildSnapshot(1, catalogSchema.parse({ models, pools })).models.get("m")!;
	const sizes = { choiceTokensMax: 10, outputTokensMax: 10, timeout: 600 };
	const asked = { needs, promptBytes: bytes, longestPromptBytes: bytes, promptTokensMax: bytes, prompts: 1 };
	return worstNano(model, asked, { regions: regions ?? null }, sizes);
}

describe("what is reserved is what the dearest pool may cost that the request may use", () => {
	const cheap = pool("cheap", 1, { capabilities: ["chat"] });
	const dear = pool("dear", 100);

	test("of all where it may use all", () => {
		expect(worst([cheap, dear])).toBe(worst([dear]));
		expect(worst([cheap, dear])).toBeGreaterThan(50 * worst([cheap]));
	});

	test("not of one in another region", () => {
		expect(worst([cheap, dear], { regions: ["cheap"] })).toBe(worst([cheap]));
	});

	test("not of one that lacks a capability", () => {
		const seeing = pool("seeing", 1);
		const blind = pool("blind", 100, { capabilities: ["chat"] });
		expect(worst([seeing, blind], { needs: ["chat", "vision"] })).toBe(worst([seeing]));
	});

	test("not of one with too short a context, however few tokens the prompt may have", () => {
		const short = pool("short", 100, { context_length: 1_000 });
		expect(worst([cheap, short], { bytes: 1_000 * 16 * 2 })).toBe(worst([cheap], { bytes: 1_000 * 16 * 2 }));
		// A prompt of many bytes a token may fit.
		expect(worst([cheap, short], { bytes: 1_000 * 15 })).toBe(worst([short], { bytes: 1_000 * 15 }));
	});

	test("of no more tokens than fit into a pool's own context", () => {
		const short = pool("short", 1, { context_length: 4_000 });
		expect(worst([short], { bytes: 10_000 })).toBe(worst([short], { bytes: 4_000 }));
	});

	test("nothing where none may serve it", () => {
		expect(worst([cheap, dear], { regions: ["elsewhere"] })).toBe(0);
	});
});
