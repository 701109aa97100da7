import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";
import { demoCatalog } from "../../scripts/demo-fleet.ts";
import { readWeights } from "../../src/shared/router/weights/read.ts";

const weights = readWeights(new Uint8Array(readFileSync(join(PROJECT, "assets/router/default.bin"))));
const models = weights.ok ? weights.value.models : [];

test("the model card names the models of the default weights", () => {
	const card = readFileSync(join(PROJECT, "docs/model-card.md"), "utf8");
	const [, names = ""] = /\n## Names\n[^`]*`card`\.[^\n]*\n\n([^#]*)/.exec(card) ?? [];
	expect([...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name)).toEqual(models);
	expect(card).toContain(`The ${models.length} models`);
});

test("the demo's cards are in the default weights", () => {
	const cards = demoCatalog(new Map()).models.flatMap(({ card }) => card ?? []);
	expect(cards.length).toBeGreaterThan(1);
	expect(models).toEqual(expect.arrayContaining(cards));
});

test("of the demo's pools some are the operator's own, so that a prompt may be kept there", () => {
	const zones = demoCatalog(new Map()).pools.map(({ place }) => place.privacy ?? "public");
	expect(new Set(zones)).toEqual(new Set(["own", "contract", "public"]));
});
