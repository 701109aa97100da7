import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseOptions } from "../../../bench/lib/options.ts";
import { isMet, measuredOnly, type Column } from "../../../bench/lib/result.ts";
import { replaceSection } from "../../../bench/lib/section.ts";
import { median, percentile } from "../../../bench/lib/statistics.ts";
import { markdownTable, textTable } from "../../../bench/lib/table.ts";

test("percentiles are of the values themselves, by nearest rank", () => {
	// The example of Wikipedia's "Percentile", nearest-rank method.
	const values = [15, 20, 35, 40, 50];
	expect([5, 30, 40, 50, 100].map((p) => percentile(values, p))).toEqual([15, 20, 20, 35, 50]);
	expect(percentile([], 50)).toBeNaN();
});

test("at least p percent of all are at or below the percentile, and fewer below any smaller value", () => {
	fc.assert(
		fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (values, p) => {
			const found = percentile(values, p);
			const share = (value: number) => (100 * values.filter((each) => each <= value).length) / values.length;
			expect(share(found)).toBeGreaterThanOrEqual(p);
			for (const other of values) if (other < found) expect(share(other)).toBeLessThan(p);
		}),
	);
});

test("the median of an even number is between the two in the middle", () => {
	expect(median([4, 1, 3, 2])).toBe(2.5);
	expect(median([9, 1, 5])).toBe(5);
	expect(median([])).toBeNaN();
});

test("what is no number was not measured, in rows as in targets", () => {
	const row = { what: "a", rate: 1, ratio: Infinity, share: NaN, none: null };
	const target = { id: "t", goal: 1, direction: "at_least" } as const;
	const found = measuredOnly({
		rows: [row],
		targets: [0, NaN, null].map((value) => ({ ...target, value })),
		notes: ["n"],
	});
	expect(found.rows).toEqual([{ what: "a", rate: 1, ratio: null, share: null, none: null }]);
	expect(found.targets.map(({ value }) => value)).toEqual([0, null, null]);
	expect(found.targets.map(isMet)).toEqual([false, null, null]);
	expect(found.notes).toEqual(["n"]);
});

test("options: what stands in the documents", () => {
	expect(parseOptions(["--quick", "--json", "out.json", "--seed", "7"])).toEqual({
		ok: true,
		value: {
			quick: true,
			help: false,
			seed: 7,
			json: "out.json",
			plot: null,
			data: null,
			dev: null,
			eval: null,
			write: false,
		},
	});
	expect(parseOptions([])).toMatchObject({ ok: true, value: { seed: 1, write: true } });
	expect(parseOptions(["--quick", "--write"])).toMatchObject({ ok: true, value: { quick: true, write: true } });
	expect(parseOptions(["--no-write"])).toMatchObject({ ok: true, value: { quick: false, write: false } });
});

test.each([
	[["--sed", "1"], /--sed/],
	[["--seed", "1.5"], /whole number/],
	[["--seed", "4294967296"], /whole number/],
	[["--seed="], /whole number/],
	[["--json"], /--json/],
	[["--json="], /needs a path/],
	[["--plot", "somewhere"], /no plots/],
	[["--data", "somewhere"], /no data/],
	[["now"], /now/],
])("options: %j is refused", (args, message) => {
	expect(parseOptions(args)).toEqual({ ok: false, error: expect.stringMatching(message) });
});

test("options: a directory for plots and one for data where they are used", () => {
	const options = parseOptions(["--plot", "p", "--data", "d"], ["plot", "data"]);
	expect(options).toMatchObject({ ok: true, value: { plot: "p", data: "d" } });
});

const COLUMNS: readonly Column[] = [
	{ key: "name", title: "name" },
	{ key: "rate", title: "rate", digits: 1 },
];
const ROWS = [
	{ name: "one", rate: 1234.56 },
	{ name: "a|b", rate: null },
	{ name: "zero", rate: 0 },
];

test("a table for the terminal aligns numbers on the right and says what was not measured", () => {
	expect(textTable(COLUMNS, ROWS)).toBe(
		["name     rate", "one   1,234.6", "a|b         –", "zero      0.0"].join("\n"),
	);
});

test("a table for the documents escapes what would end a cell", () => {
	expect(markdownTable(COLUMNS, ROWS)).toBe(
		["| name | rate |", "| --- | ---: |", "| one | 1,234.6 |", "| a\\|b | – |", "| zero | 0.0 |"].join("\n"),
	);
});

test("a section takes the place of its older self and leaves the rest alone", () => {
	const first = replaceSection(replaceSection("# Benchmarks\n", "a", "A 1"), "b", "B 1");
	const second = replaceSection(first, "a", "A $& 2");
	expect(second).toBe(
		"# Benchmarks\n\n<!-- bench:a -->\nA $& 2\n<!-- /bench:a -->\n\n<!-- bench:b -->\nB 1\n<!-- /bench:b -->\n",
	);
	expect(replaceSection(second, "a", "A 1")).toBe(first);
});

test("writing the same section twice changes nothing more", () => {
	const text = fc.string().filter((each) => !each.includes("<!--"));
	fc.assert(
		fc.property(text, text, (document, body) => {
			const once = replaceSection(document, "x", body);
			expect(replaceSection(once, "x", body)).toBe(once);
		}),
	);
});

test("a section of which a marker is lost is not guessed at", () => {
	expect(() => replaceSection("<!-- bench:a -->\nold\n", "a", "new")).toThrow(/do not belong together/);
	expect(() => replaceSection("<!-- /bench:a -->\n<!-- bench:a -->\n", "a", "new")).toThrow(/do not belong together/);
});

test("a target at its goal is met, and one that was not measured is neither", () => {
	expect(isMet({ id: "x", value: 0.5, goal: 0.5, direction: "at_least" })).toBe(true);
	expect(isMet({ id: "x", value: 0.49, goal: 0.5, direction: "at_least" })).toBe(false);
	expect(isMet({ id: "x", value: 300, goal: 300, direction: "at_most" })).toBe(true);
	expect(isMet({ id: "x", value: 301, goal: 300, direction: "at_most" })).toBe(false);
	expect(isMet({ id: "x", value: null, goal: 300, direction: "at_most" })).toBeNull();
});
