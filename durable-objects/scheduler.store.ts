import { catalogSchema, type Catalog } from "../src/shared/catalog/schema.ts";
import type { LearnedState } from "../src/shared/scheduler/learned.ts";
import { SQLITE_ROW_BYTES_MAX } from "../src/shared/limits.ts";

export interface KeptCatalog {
	readonly version: number;
	/** The model that this object schedules. */
	readonly model: string;
	readonly catalog: Catalog;
}

/** What a scheduler keeps over its eviction: the last catalog it saw, and what it has learned. */
export class SchedulerStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	catalog(): KeptCatalog | undefined {
		const kept = this.#read("catalog") as KeptCatalog | undefined;
		const catalog = catalogSchema.safeParse(kept?.catalog);
		return kept && catalog.success ? { ...kept, catalog: catalog.data } : undefined;
	}

	keepCatalog(kept: KeptCatalog): void {
		this.#keep("catalog", kept);
	}

	learned(): LearnedState | undefined {
		return this.#read("learned") as LearnedState | undefined;
	}

	keepLearned(learned: LearnedState): void {
		this.#keep("learned", learned);
	}

	#read(name: string): unknown {
		const [row] = this.#sql.exec<{ json: string }>("SELECT json FROM kept WHERE name = ?", name).toArray();
		return row && JSON.parse(row.json);
	}

	#keep(name: string, value: unknown): void {
		const json = JSON.stringify(value);
		// Losing it costs a read of D1 or some minutes of learning; a row over the platform's limit would cost the call.
		if (json.length > SQLITE_ROW_BYTES_MAX / 2) return;
		this.#sql.exec(
			"INSERT INTO kept (name, json) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET json = ?2",
			name,
			json,
		);
	}
}
