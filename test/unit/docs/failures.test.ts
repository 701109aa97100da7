import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const PROJECT = join(import.meta.dirname, "..", "..", "..");
const text = await readFile(join(PROJECT, "docs", "failures.md"), "utf8");
const rows = text
	.split("\n")
	.filter((line) => line.startsWith("|"))
	.slice(2)
	.map((line) => line.split("|").map((cell) => cell.trim()))
	.map((cells) => ({ what: cells[1]!.replaceAll("**", ""), shownBy: cells[5]! }));

describe("docs/failures.md", () => {
	test.each(rows)("$what: the tests that it names exist", async ({ shownBy }) => {
		if (shownBy === "the same test") return;
		// Each file is followed by the titles that are meant in it.
		const [, ...parts] = shownBy.split(/`([a-z-]+\/[\w/.-]+\.test\.ts)`/);
		expect(parts.length).toBeGreaterThan(0);
		for (let i = 0; i < parts.length; i += 2) {
			const source = await readFile(join(PROJECT, "test", parts[i]!), "utf8");
			for (const [, title] of parts[i + 1]!.matchAll(/"([^"]+)"/g)) expect(source).toContain(title);
		}
	});
});
