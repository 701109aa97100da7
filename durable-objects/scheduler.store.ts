import type { Catalog } from "../src/shared/catalog/schema.ts";
import type { EngineMark } from "../src/shared/kv/engine-mark.ts";
import type { StoredPrefixes } from "../src/shared/kv/replica-caches.ts";
import type { ReplicaName } from "../src/shared/scheduler/messages.ts";
import type { LearnedState } from "../src/shared/scheduler/learned.ts";
import { SQLITE_ROW_BYTES_MAX } from "../src/shared/limits.ts";

export interface KeptCatalog {
	readonly version: number;
	/** The model that this object schedules. */
	readonly model: string;
	readonly catalog: Catalog;
}

/** Part of what a replica held. */
export interface KeptPart {
	readonly replica: ReplicaName;
	readonly part: number;
	readonly baseUrl: string;
	readonly blocks: number;
}

/** What a scheduler keeps over its eviction: the last catalog it saw, and what it has learned. */
export class SchedulerStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	/** Parsed anew: it may be from before this code. At once undefined where none was kept, so that nothing need be waited for. */
	catalog(): Promise<KeptCatalog | undefined> | undefined {
		const kept = this.#read("catalog") as KeptCatalog | undefined;
		return kept && this.#parsed(kept);
	}

	async #parsed(kept: KeptCatalog): Promise<KeptCatalog | undefined> {
		const { catalogSchema } = await import("../src/shared/catalog/schema.ts");
		const catalog = catalogSchema.safeParse(kept.catalog);
		return catalog.success ? { ...kept, catalog: catalog.data } : undefined;
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

	/** By replica, which life of its engine was last seen. */
	engineMarks(): Readonly<Record<ReplicaName, EngineMark>> {
		return (this.#read("engine_marks") as Record<ReplicaName, EngineMark> | undefined) ?? {};
	}

	keepEngineMarks(marks: Readonly<Record<ReplicaName, EngineMark>>): void {
		this.#keep("engine_marks", marks);
	}

	/** Every part that was kept of what replicas held: their newest first, then what is next. */
	prefixParts(): KeptPart[] {
		return this.#sql
			.exec<{ replica: ReplicaName; part: number; base_url: string; bytes: number }>(
				"SELECT replica, part, base_url, length(blocks) AS bytes FROM prefixes ORDER BY part, replica",
			)
			.toArray()
			.map(({ replica, part, base_url: baseUrl, bytes }) => ({
				replica,
				part,
				baseUrl,
				blocks: Math.floor(bytes / 8),
			}));
	}

	/** Its words, two a block; none when it is no longer there. */
	prefixWords({ replica, part }: KeptPart): Uint32Array {
		const [row] = this.#sql
			.exec<{ blocks: ArrayBuffer }>("SELECT blocks FROM prefixes WHERE replica = ? AND part = ?", replica, part)
			.toArray();
		return row ? new Uint32Array(row.blocks, 0, Math.floor(row.blocks.byteLength / 4)) : new Uint32Array(0);
	}

	/** In place of what was kept of this replica before. */
	keepPrefixes({ replica, baseUrl, parts }: StoredPrefixes): void {
		this.#sql.exec("DELETE FROM prefixes WHERE replica = ? AND part >= ?", replica, parts.length);
		for (const [part, blocks] of parts.entries()) {
			this.#sql.exec("INSERT OR REPLACE INTO prefixes VALUES (?, ?, ?, ?)", replica, part, baseUrl, blocks.buffer);
		}
	}

	/** Forgets what was kept of all other replicas. */
	keepPrefixesOfOnly(replicas: readonly ReplicaName[]): void {
		this.#sql.exec(
			"DELETE FROM prefixes WHERE replica NOT IN (SELECT value FROM json_each(?))",
			JSON.stringify(replicas),
		);
	}

	#read(name: string): unknown {
		const [row] = this.#sql.exec<{ json: string }>("SELECT json FROM kept WHERE name = ?", name).toArray();
		return row && JSON.parse(row.json);
	}

	#keep(name: string, value: unknown): void {
		const json = JSON.stringify(value);
		// Losing it costs a read of D1 or some minutes of learning; a row over the platform's limit would cost the call.
		if (json.length > SQLITE_ROW_BYTES_MAX / 2) {
			console.warn(JSON.stringify({ event: "not_kept", name, characters: json.length, max: SQLITE_ROW_BYTES_MAX / 2 }));
			return;
		}
		this.#sql.exec(
			"INSERT INTO kept (name, json) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET json = ?2",
			name,
			json,
		);
	}
}
