import type { StoredAnswer } from "../src/shared/router/cache-messages.ts";
import { CACHE_ANSWER_BYTES_MAX, CACHE_ANSWERS_MAX, CACHE_BYTES_MAX } from "../src/shared/router/bounds.ts";
import type { Seconds } from "../src/shared/units.ts";

export interface CacheBounds {
	readonly answerBytesMax: number;
	readonly bytesMax: number;
	readonly answersMax: number;
}

const BOUNDS: CacheBounds = {
	answerBytesMax: CACHE_ANSWER_BYTES_MAX,
	bytesMax: CACHE_BYTES_MAX,
	answersMax: CACHE_ANSWERS_MAX,
};

/** An answer that is used again within this is not noted as used: a commit costs more than the order of two such is worth. */
const USED_GRAIN_SECONDS: Seconds = 60;
/** Beside its body, what an answer counts for. */
const ROW_BYTES = 512;
/** Rows looked at together when room is made. */
const EVICTED_AT_ONCE = 64;

interface Row extends Record<string, SqlStorageValue> {
	content_type: string;
	model: string;
	body: ArrayBuffer;
	stored_at: number;
	used_at: number;
}

/** A tenant's stored answers, bounded in bytes and in number: the one that was used longest ago goes first. */
export class CacheStore {
	readonly #sql: SqlStorage;
	readonly #bounds: CacheBounds;
	#bytes: number;
	#answers: number;

	constructor(storage: DurableObjectStorage, bounds: CacheBounds = BOUNDS) {
		this.#sql = storage.sql;
		this.#bounds = bounds;
		const sums = this.#sql
			.exec<{ bytes: number | null; answers: number }>("SELECT sum(bytes) AS bytes, count(*) AS answers FROM answers")
			.one();
		this.#bytes = sums.bytes ?? 0;
		this.#answers = sums.answers;
	}

	get answers(): number {
		return this.#answers;
	}

	get bytes(): number {
		return this.#bytes;
	}

	/** The answer and how old it is; null when there is none that may still be given. */
	read(key: string, now: Seconds): { readonly answer: StoredAnswer; readonly age: Seconds } | null {
		const [row] = this.#sql
			.exec<Row>(
				"SELECT content_type, model, body, stored_at, used_at FROM answers WHERE key = ? AND expires_at > ?",
				key,
				now,
			)
			.toArray();
		if (!row) return null;
		if (now - row.used_at > USED_GRAIN_SECONDS) {
			this.#sql.exec("UPDATE answers SET used_at = ? WHERE key = ?", now, key);
		}
		const answer = { contentType: row.content_type, model: row.model, body: new Uint8Array(row.body) };
		return { answer, age: Math.max(0, now - row.stored_at) };
	}

	/** Keeps an answer in place of what was kept under this key, and makes room for it. One that is too long is not kept. */
	write(key: string, { contentType, model, body }: StoredAnswer, ttlSeconds: Seconds, now: Seconds): void {
		this.#delete("key = ?", key);
		if (body.byteLength > this.#bounds.answerBytesMax) return;
		const bytes = body.byteLength + ROW_BYTES;
		this.#makeRoom(bytes);
		this.#sql.exec(
			"INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			key,
			contentType,
			model,
			body,
			bytes,
			now,
			now + ttlSeconds,
			now,
		);
		this.#bytes += bytes;
		this.#answers++;
	}

	/** Forgets what may not be given any more. */
	purge(now: Seconds): void {
		this.#delete("expires_at <= ?", now);
	}

	#makeRoom(bytes: number): void {
		const { bytesMax, answersMax } = this.#bounds;
		while (this.#answers > 0 && (this.#bytes + bytes > bytesMax || this.#answers + 1 > answersMax)) {
			let spare = 0;
			const keys: string[] = [];
			const oldest = this.#sql.exec<{ key: string; bytes: number }>(
				`SELECT key, bytes FROM answers ORDER BY used_at LIMIT ${EVICTED_AT_ONCE}`,
			);
			for (const row of oldest) {
				keys.push(row.key);
				spare += row.bytes;
				if (this.#bytes - spare + bytes <= bytesMax && this.#answers - keys.length + 1 <= answersMax) break;
			}
			this.#delete("key IN (SELECT value FROM json_each(?))", JSON.stringify(keys));
		}
	}

	#delete(where: string, value: string | number): void {
		for (const { bytes } of this.#sql.exec<{ bytes: number }>(
			`DELETE FROM answers WHERE ${where} RETURNING bytes`,
			value,
		)) {
			this.#bytes -= bytes;
			this.#answers--;
		}
	}
}
