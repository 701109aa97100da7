import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Puts the storage of every object of this class out of the objects' reach, as another process that holds SQLite's write
 *  lock on their files: whatever they write fails. Returns how to give it back. The objects must have been used before. */
export async function lockObjects(persist: string, className: "Ledger" | "Scheduler"): Promise<() => void> {
	const folder = join(persist, "do", `isobar-${className}`);
	const files = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
	if (files.length === 0) throw new Error(`no object of ${className} has stored anything`);
	const databases = files.map((name) => new DatabaseSync(join(folder, name), { timeout: 1_000 }));
	for (const database of databases) database.exec("BEGIN IMMEDIATE");
	return () => {
		for (const database of databases) database.close();
	};
}
