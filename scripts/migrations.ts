import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { PROJECT, type Bundle } from "./bundle.ts";
import type { WorkerdOptions } from "./workerd.ts";

const FILES = join(PROJECT, "migrations");
const WORKER = "migrations-worker.mjs";
const namesSchema = z.array(z.string());

/** A Worker that applies what is in `migrations/` to the D1 database of `bundle`, to run beside it. One in the same workerd does it with
 *  a third of the processor time of Miniflare's own way into D1, which starts a thread for that. */
export async function migrationsWorker(bundle: Bundle): Promise<WorkerdOptions["workers"][number]> {
	const names = (await readdir(FILES)).filter((name) => name.endsWith(".sql")).sort();
	const migrations = await Promise.all(
		names.map(async (name): Promise<[string, string]> => [name, await readFile(join(FILES, name), "utf8")]),
	);
	return {
		name: `${bundle.name}-migrations`,
		modules: [{ type: "ESModule", path: WORKER, contents: await readFile(join(import.meta.dirname, WORKER), "utf8") }],
		compatibilityDate: bundle.compatibilityDate,
		bindings: { MIGRATIONS: migrations },
		d1Databases: { ...bundle.d1Databases },
	};
}

/** Asks such a Worker, at its URL, to apply what is not yet in the database. The names applied. */
export async function applyMigrations(url: URL): Promise<readonly string[]> {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`The migrations failed: ${await response.text()}`);
	return namesSchema.parse(await response.json());
}
