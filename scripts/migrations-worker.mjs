// The table of `wrangler d1 migrations apply`, so that either may follow the other.
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS d1_migrations(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT UNIQUE,
	applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Applies those of `MIGRATIONS` ([name, SQL] in order) that `CATALOG` does not have, each in one transaction, and answers with
 *  their names. Takes nothing from the request. */
export default {
	async fetch(_request, { CATALOG, MIGRATIONS }) {
		await CATALOG.prepare(BOOKKEEPING).run();
		const { results } = await CATALOG.prepare("SELECT name FROM d1_migrations").all();
		const applied = new Set(results.map((row) => row.name));
		const missing = MIGRATIONS.filter(([name]) => !applied.has(name));
		for (const [name, sql] of missing) {
			await CATALOG.batch([
				CATALOG.prepare(sql),
				CATALOG.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
			]);
		}
		return Response.json(missing.map(([name]) => name));
	},
};
