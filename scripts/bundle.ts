import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { extname, join, relative, resolve } from "node:path";
import * as z from "zod";

export const PROJECT = resolve(import.meta.dirname, "..");

const CACHE = join(PROJECT, "node_modules", ".cache", "isobar");
const WRANGLER = join(PROJECT, "node_modules", "wrangler", "bin", "wrangler.js");
const SOURCES = ["functions", "durable-objects", "src"];
const CONFIGURATION = ["wrangler.toml", "tsconfig.json", "package-lock.json"];
const UNUSED_SECONDS_MAX = 24 * 3600;

const MODULE_TYPES: Readonly<Record<string, string>> = {
	".js": "ESModule",
	".mjs": "ESModule",
	".wasm": "CompiledWasm",
	".bin": "Data",
	".txt": "Text",
	".html": "Text",
	".sql": "Text",
};

/** A Worker as it would be deployed: its modules (the entry first) and what `wrangler.toml` binds to it, by binding name.
 *  Holds no secret. */
const schema = z.object({
	name: z.string(),
	modules: z.array(z.object({ type: z.enum(["ESModule", "CompiledWasm", "Data", "Text"]), path: z.string() })).min(1),
	compatibilityDate: z.string(),
	compatibilityFlags: z.array(z.string()),
	vars: z.record(z.string(), z.string()),
	d1Databases: z.record(z.string(), z.object({ id: z.string() })),
	durableObjects: z.record(z.string(), z.object({ className: z.string(), useSQLite: z.boolean() })),
});

export type Bundle = z.infer<typeof schema> & { readonly directory: string };

let bundled: Promise<Bundle> | undefined;

/** Bundles the Worker with `wrangler deploy --dry-run`, the very bytes a deployment uploads, unless a bundle of the same
 *  sources, configuration and lockfile is in the cache; once in a process. Rejects with wrangler's own message when it does
 *  not build. */
export function bundleWorker(): Promise<Bundle> {
	return (bundled ??= bundle());
}

async function bundle(): Promise<Bundle> {
	const directory = join(CACHE, await inputHash());
	const description = join(directory, "bundle.json");
	if (!existsSync(description)) await build(directory);
	return { ...schema.parse(JSON.parse(await readFile(description, "utf8"))), directory };
}

async function inputHash(): Promise<string> {
	const files = CONFIGURATION.map((name) => join(PROJECT, name));
	for (const folder of SOURCES) {
		for (const entry of await readdir(join(PROJECT, folder), { recursive: true, withFileTypes: true })) {
			if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
		}
	}
	files.sort();
	const hash = createHash("sha256");
	for (const file of files) {
		const bytes = await readFile(file);
		hash.update(`${relative(PROJECT, file)}\0${bytes.byteLength}\0`).update(bytes);
	}
	return hash.digest("hex").slice(0, 16);
}

async function build(directory: string): Promise<void> {
	await mkdir(CACHE, { recursive: true });
	await removeUnused();
	// Built beside its place and renamed, so that of two processes that build at once neither sees half a bundle.
	const draft = await mkdtemp(join(CACHE, "draft-"));
	try {
		const [, configured] = await Promise.all([dryRun(draft), readConfiguration()]);
		const names = (await readdir(draft)).filter((name) => extname(name) in MODULE_TYPES);
		names.sort((a, b) => Number(b === "index.js") - Number(a === "index.js") || a.localeCompare(b));
		const modules = names.map((path) => ({ type: MODULE_TYPES[extname(path)], path }));
		await writeFile(join(draft, "bundle.json"), JSON.stringify(schema.parse({ ...configured, modules })));
		await rename(draft, directory).catch((error: NodeJS.ErrnoException) => {
			if (!existsSync(join(directory, "bundle.json"))) throw error;
		});
	} finally {
		await rm(draft, { recursive: true, force: true });
	}
}

async function dryRun(outdir: string): Promise<void> {
	const child = spawn(process.execPath, [WRANGLER, "deploy", "--dry-run", "--env=", "--outdir", outdir], {
		cwd: PROJECT,
		env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", NO_COLOR: "1" },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let output = "";
	child.stdout.on("data", (chunk) => (output += chunk));
	child.stderr.on("data", (chunk) => (output += chunk));
	const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
	if (code !== 0) throw new Error(`The Worker does not build:\n${output.trim()}`);
}

async function readConfiguration() {
	// Wrangler takes most of a second to load, so only a new bundle pays for it.
	const { unstable_getMiniflareWorkerOptions, unstable_readConfig } = await import("wrangler");
	const config = unstable_readConfig({ config: join(PROJECT, "wrangler.toml") }, { hideWarnings: true });
	const { workerOptions } = unstable_getMiniflareWorkerOptions({ ...config, secrets: undefined });
	return {
		...workerOptions,
		name: config.name,
		// Not the options' bindings: those hold what `.dev.vars` says as well, and secrets stay out of the cache.
		vars: config.vars,
	};
}

async function removeUnused(): Promise<void> {
	for (const name of await readdir(CACHE)) {
		const path = join(CACHE, name);
		const age = (Date.now() - (await stat(path)).mtimeMs) / 1000;
		if (age > UNUSED_SECONDS_MAX) await rm(path, { recursive: true, force: true });
	}
}
