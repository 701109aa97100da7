import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";

const LINE = { key: "1", prompt: "What is two and two?", domain: "sums", scores: { small: 1 } };

let directory: string;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "isobar-train-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

function train(...args: string[]) {
	const { status, stdout, stderr } = spawnSync(process.execPath, [join(PROJECT, "scripts/train-router.ts"), ...args], {
		encoding: "utf8",
	});
	return { status, stdout, stderr };
}

function file(name: string, content: string | Uint8Array): string {
	const path = join(directory, name);
	writeFileSync(path, content);
	return path;
}

test.each([
	["no arguments", []],
	["an unknown option", ["--data", "a.jsonl", "--epochs", "3"]],
	["an option without its value", ["--data", "a.jsonl", "--out"]],
	["a seed that is no whole number", ["--data", "a.jsonl", "--seed", "1.5"]],
	["files without --data", ["a.jsonl"]],
])("%s: the usage and status 2", (_, args) => {
	const { status, stdout, stderr } = train(...args);
	expect(status).toBe(2);
	expect(stderr).toContain("usage: npm run train-router");
	expect(stdout).toBe("");
});

test("data that cannot be used: status 1, what is wrong and where, and nothing is written", () => {
	const good = file("good.jsonl", JSON.stringify(LINE));
	const broken = file("broken.jsonl", `${JSON.stringify(LINE)}\n{"key": 1`);
	const cut = file("cut.jsonl.gz", gzipSync(JSON.stringify(LINE)).subarray(0, 30));
	const prices = file("prices.json", `{"small": 3}`);
	const out = join(directory, "out.bin");
	const errorOf = (...args: string[]) => {
		const { status, stderr } = train("--out", out, ...args);
		expect(status).toBe(1);
		expect(stderr).not.toContain("    at ");
		return stderr;
	};
	expect(errorOf("--data", join(directory, "none.jsonl"))).toContain("none.jsonl");
	expect(errorOf("--data", good, broken)).toContain(`${broken}:2: `);
	expect(errorOf("--data", file("empty.jsonl", ""))).toContain("empty");
	expect(errorOf("--data", cut)).toContain(cut);
	expect(errorOf("--data", good, "--models", "small,absent")).toContain("absent: no line of the data measures it.");
	expect(errorOf("--data", good, "--models", "other")).toContain(`${good}:1: `);
	expect(errorOf("--data", good, "--prices", prices)).toContain(`${prices}: `);
	expect(errorOf("--data", good)).toContain("too few outcomes");
	const marked = file("marked.jsonl", `\uFEFF${JSON.stringify(LINE)}`);
	expect(errorOf("--data", marked)).toContain("too few outcomes");
	const wordless = [1, 2, 3, 4, 5, 6].map((key) => JSON.stringify({ ...LINE, key: `${key}`, prompt: "" }));
	expect(errorOf("--data", file("wordless.jsonl", wordless.join("\n")))).toContain("no word of their prompts");
	const { key: _, ...keyless } = LINE;
	expect(errorOf("--data", file("id.jsonl", JSON.stringify({ ...keyless, id: 1 })))).toContain("`id` must be");
	expect(existsSync(out)).toBe(false);
});
