import { manifestOf, type Manifest, type TensorType } from "../src/shared/federated/manifest.ts";
import type { Run } from "../src/shared/federated/run.ts";
import { shardsOf, type ShardRange } from "../src/shared/federated/shard-plan.ts";
import type { Specification } from "../src/shared/federated/specification.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { RunFacts, WeightsFileHead } from "./run.messages.ts";

/** UTF-16 code units of a manifest in one row; in UTF-8 they are at most three times as many bytes. */
const MANIFEST_PIECE = 300_000;

/** Events that are kept; who reads on from an older one misses some. */
const EVENTS_MAX = 20_000;

export interface RunEvent {
	readonly seq: number;
	readonly at: Seconds;
	readonly kind: string;
	readonly data: string;
}

type RunRow = {
	id: string;
	tenant: string;
	created_at: number;
	specification: string;
	state: string;
	weights_file: string | null;
	collect_due: number;
	deleting: number;
};

/** The row of the run itself, its model, and its events. */
export class RunStore {
	readonly #sql: SqlStorage;
	#facts: RunFacts | null = null;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	create(id: string, tenant: string, specification: Specification, manifest: Manifest, run: Run, now: Seconds): void {
		this.#sql.exec(
			"INSERT INTO run (only, id, tenant, created_at, specification, state) VALUES (1, ?, ?, ?, ?, ?)",
			id,
			tenant,
			now,
			JSON.stringify(specification),
			JSON.stringify(run),
		);
		const text = JSON.stringify(manifest.tensors.map(({ name, type, shape }) => [name, type, shape]));
		for (let piece = 0; piece * MANIFEST_PIECE < text.length; piece++) {
			const part = text.slice(piece * MANIFEST_PIECE, (piece + 1) * MANIFEST_PIECE);
			this.#sql.exec("INSERT INTO manifest VALUES (?, ?)", piece, part);
		}
	}

	/** What never changes of the run; null where there is none. */
	facts(): RunFacts | null {
		if (this.#facts) return this.#facts;
		const row = this.#row();
		if (!row) return null;
		const text = this.#sql
			.exec<{ text: string }>("SELECT text FROM manifest ORDER BY piece")
			.toArray()
			.map((piece) => piece.text)
			.join("");
		const tensors = JSON.parse(text) as [string, TensorType, number[]][];
		const manifest = manifestOf(tensors.map(([name, type, shape]) => ({ name, type, shape })));
		if (!manifest.ok) throw new Error(manifest.error.message);
		const specification = JSON.parse(row.specification) as Specification;
		const { id, tenant, created_at: createdAt } = row;
		return (this.#facts = { id, tenant, createdAt, specification, manifest: manifest.value });
	}

	get isDeleting(): boolean {
		return this.#row()?.deleting === 1;
	}

	markDeleting(): void {
		this.#sql.exec("UPDATE run SET deleting = 1");
	}

	shards({ manifest, specification }: RunFacts): readonly ShardRange[] {
		return shardsOf(manifest.parameters, specification.shard_parameters);
	}

	run(): Run {
		return JSON.parse(this.#sql.exec<{ state: string }>("SELECT state FROM run").one().state) as Run;
	}

	putRun(run: Run): void {
		this.#sql.exec("UPDATE run SET state = ?", JSON.stringify(run));
	}

	weightsFile(): WeightsFileHead | null {
		const text = this.#row()?.weights_file ?? null;
		return text === null ? null : (JSON.parse(text) as WeightsFileHead);
	}

	putWeightsFile(head: WeightsFileHead): void {
		this.#sql.exec("UPDATE run SET weights_file = ?", JSON.stringify(head));
	}

	/** Whether the shards have yet to hear which versions are kept. */
	get collectDue(): boolean {
		return this.#row()?.collect_due === 1;
	}

	set collectDue(due: boolean) {
		this.#sql.exec("UPDATE run SET collect_due = ?", due ? 1 : 0);
	}

	/** Updates whose bytes the shards may forget, and have not been told. */
	releases(limit: number): readonly string[] {
		return this.#sql
			.exec<{ update_id: string }>("SELECT update_id FROM releases LIMIT ?", limit)
			.toArray()
			.map((row) => row.update_id);
	}

	addRelease(update: string): void {
		this.#sql.exec("INSERT OR REPLACE INTO releases VALUES (?, (SELECT release_calls FROM run))", update);
	}

	isReleasing(update: string): boolean {
		return this.#sql.exec("SELECT 1 FROM releases WHERE update_id = ?", update).toArray().length > 0;
	}

	/** The number of the next call that tells shards what to forget: calls are numbered upwards, for ever. */
	beginReleaseCall(): number {
		const sql = "UPDATE run SET release_calls = release_calls + 1 RETURNING release_calls AS call";
		return this.#sql.exec<{ call: number }>(sql).one().call;
	}

	/** All shards were told of these with that call; what was added again since it began is to be told again. */
	endReleases(updates: readonly string[], call: number): void {
		const sql = "DELETE FROM releases WHERE update_id IN (SELECT value FROM json_each(?)) AND after_call < ?";
		this.#sql.exec(sql, JSON.stringify(updates), call);
	}

	addEvent(kind: string, data: object, now: Seconds): void {
		const sql = "INSERT INTO events (at, kind, data) VALUES (?, ?, ?) RETURNING seq";
		const { seq } = this.#sql.exec<{ seq: number }>(sql, now, kind, JSON.stringify({ at: now, ...data })).one();
		if (seq % 256 === 0) this.#sql.exec("DELETE FROM events WHERE seq <= ?", seq - EVENTS_MAX);
	}

	events(after: number, limit: number): readonly RunEvent[] {
		return this.#sql
			.exec<RunEvent & Record<string, string | number>>(
				"SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
				after,
				limit,
			)
			.toArray();
	}

	#row(): RunRow | undefined {
		const [row] = this.#sql.exec<RunRow>("SELECT * FROM run");
		return row;
	}
}
