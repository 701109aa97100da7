import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";

const FILES = {
	"passes.test.ts":
		'import { test } from "vitest"; test("a", () => {}); test("b", () => {}); test.skip("c", () => {});',
	"fails.test.ts": 'import { test } from "vitest"; test("d", () => { throw new Error("no"); });',
	"does-not-load.test.ts": 'import "./nothing.ts"; import { test } from "vitest"; test("e", () => {});',
	"throws-outside.test.ts":
		'import { test } from "vitest"; test("f", async () => { setTimeout(() => { throw new Error("loose"); }); await new Promise((r) => setTimeout(r, 20)); });',
};

let directory: string;

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "isobar-test-"));
	symlinkSync(join(PROJECT, "node_modules"), join(directory, "node_modules"));
	for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function lastLine(...filters: string[]): string | undefined {
	const vitest = join(PROJECT, "node_modules", "vitest", "vitest.mjs");
	const reporters = ["--reporter=default", `--reporter=${join(PROJECT, "test", "reporter.ts")}`];
	const args = [vitest, "run", "--root", directory, ...reporters, ...filters];
	return spawnSync(process.execPath, args, { encoding: "utf8" }).stdout.trimEnd().split("\n").at(-1);
}

describe("the last line of npm test", () => {
	it("has the totals", () => expect(lastLine("passes")).toBe("2 passed, 0 failed, 1 skipped"));

	it("counts a file that does not load and an error outside of the tests as failures", () => {
		expect(lastLine()).toBe("3 passed, 3 failed, 1 skipped");
	});

	it("says so when there was nothing to run", () => expect(lastLine("no-such-file")).toBe("0 passed, 0 failed"));
});
