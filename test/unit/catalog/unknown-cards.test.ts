import { expect, test } from "vitest";
import type { Catalog } from "../../../src/shared/catalog/schema.ts";
import { unknownCards } from "../../../src/shared/catalog/unknown-cards.ts";

const catalogOf = (...cards: (string | undefined)[]) =>
	({ models: cards.map((card, index) => ({ id: `m${index}`, card })) }) as unknown as Pick<Catalog, "models">;

test("each card that the weights do not have is named, with what it may have been meant to be", () => {
	const known = ["llama-3.1-8b-instruct", "gpt-4o"];
	expect(unknownCards(catalogOf("gpt-4o", undefined, "gpt4o", "other"), known)).toEqual([
		{ path: "models[2].card", message: expect.stringMatching(/no card "gpt4o", .*; did you mean "gpt-4o"\?$/) },
		{ path: "models[3].card", message: expect.stringContaining('no card "other"') },
	]);
});

test("weights that cannot be read are said to be so once, where a card is named", () => {
	expect(unknownCards(catalogOf(undefined, "a", "b"), null)).toMatchObject([{ path: "models[1].card" }]);
	expect(unknownCards(catalogOf(undefined), null)).toEqual([]);
});
