/** One step of an object's schema. Never edited once released: what is new is a new step at the end. */
export interface SqlMigration {
	readonly id: string;
	readonly sql: string;
}

/** Applies the steps that this object has not had yet, in one transaction. Throws when a step that it has had is gone or
 *  reads differently now: the list is append-only, and an object that was made by another list must not be touched. */
export function migrate(storage: DurableObjectStorage, migrations: readonly SqlMigration[]): void {
	const { sql } = storage;
	storage.transactionSync(() => {
		sql.exec(
			"CREATE TABLE IF NOT EXISTS migrations (position INTEGER PRIMARY KEY, id TEXT NOT NULL, sql TEXT NOT NULL)",
		);
		const applied = sql.exec<{ id: string; sql: string }>("SELECT id, sql FROM migrations ORDER BY position").toArray();
		for (const [position, step] of applied.entries()) {
			const now = migrations[position];
			if (now?.id !== step.id || now.sql !== step.sql) {
				throw new Error(`migration ${position} ("${step.id}") was changed or removed; the list is append-only`);
			}
		}
		for (const [position, step] of migrations.entries()) {
			if (position < applied.length) continue;
			sql.exec(step.sql);
			sql.exec("INSERT INTO migrations VALUES (?, ?, ?)", position, step.id, step.sql);
		}
	});
}

/** Whether an object has had any of its steps: false before the first, and after everything of it was deleted. */
export function isMigrated({ sql }: DurableObjectStorage): boolean {
	return sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").toArray().length > 0;
}
