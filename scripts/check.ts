import { spawn } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import drizzle from "../drizzle.config.ts";
import { PROJECT } from "./bundle.ts";

interface Outcome {
	readonly passed: boolean;
	readonly output: string;
}

const CHECKS: Readonly<Record<string, () => Promise<Outcome>>> = {
	"types of the Worker": () => run("tsc", "-p", "tsconfig.json"),
	"types of what runs in Node": () => run("tsc", "-p", "tsconfig.node.json"),
	lint: () => run("oxlint", "--type-aware", "--deny-warnings"),
	"format (npm run format)": () => run("oxfmt", "--check"),
	"bundle (wrangler deploy --dry-run)": () => run("wrangler", "deploy", "--dry-run", "--env="),
	"generated types (npm run types)": () =>
		run("wrangler", "types", "--include-runtime=false", "--strict-vars=false", "--check"),
	"migrations follow the schema (npm run db:generate)": migrationsFollowSchema,
};

async function run(command: string, ...args: readonly string[]): Promise<Outcome> {
	const child = spawn(command, args, {
		cwd: PROJECT,
		env: { ...process.env, NO_COLOR: "1", WRANGLER_HIDE_BANNER: "true", WRANGLER_SEND_METRICS: "false" },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let output = "";
	child.stdout.on("data", (chunk) => (output += chunk));
	child.stderr.on("data", (chunk) => (output += chunk));
	return new Promise((resolve) => {
		child.on("error", (error) => resolve({ passed: false, output: error.message }));
		child.on("close", (code) => resolve({ passed: code === 0, output: output.trim() }));
	});
}

/** Lets drizzle-kit write the next migration beside a copy of the others: there should be none to write. */
async function migrationsFollowSchema(): Promise<Outcome> {
	const copy = await mkdtemp(join(tmpdir(), "isobar-migrations-"));
	try {
		await cp(join(PROJECT, "migrations"), copy, { recursive: true });
		const before = await readdir(copy);
		const { dialect, schema } = drizzle;
		const generated = await run(
			"drizzle-kit",
			"generate",
			"--dialect",
			dialect,
			"--schema",
			String(schema),
			"--out",
			copy,
		);
		if (!generated.passed) return generated;
		const added = (await readdir(copy)).filter((name) => !before.includes(name));
		return {
			passed: added.length === 0,
			output: `The schema has changes that no migration makes.\n${generated.output}`,
		};
	} finally {
		await rm(copy, { recursive: true, force: true });
	}
}

const queue = Object.entries(CHECKS);
let passed = 0;
let failed = 0;

async function work(): Promise<void> {
	for (let next = queue.shift(); next; next = queue.shift()) {
		const [name, check] = next;
		const started = performance.now();
		const outcome = await check();
		const seconds = ((performance.now() - started) / 1000).toFixed(1);
		console.log(`${outcome.passed ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
		if (!outcome.passed) console.log(outcome.output);
		if (outcome.passed) passed += 1;
		else failed += 1;
	}
}

await Promise.all([work(), work()]);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
