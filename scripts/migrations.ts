import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Miniflare } from "miniflare";
import { PROJECT } from "./bundle.ts";

// The table of `wrangler d1 migrations apply`, so that either may follow the other.
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS d1_migrations(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT UNIQUE,
	applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

export type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

/** Applies what is in `migrations/` and not yet in the database, each file in one transaction. Returns the names applied. */
export async function applyMigrations(database: Database): Promise<readonly string[]> {
	const files = (await readdir(join(PROJECT, "migrations"))).filter((name) => name.endsWith(".sql")).sort();
	await database.prepare(BOOKKEEPING).run();
	const { results } = await database.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
	const applied = new Set(results.map((row) => row.name));
	const missing = files.filter((name) => !applied.has(name));
	for (const name of missing) {
		const sql = await readFile(join(PROJECT, "migrations", name), "utf8");
		await database.batch([
			database.prepare(sql),
			database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
		]);
	}
	return missing;
}
