import { DurableObject } from "cloudflare:workers";
import { encodedBytes, type Encoding } from "../src/shared/federated/encoding.ts";
import { rowCount } from "../src/shared/federated/shard-plan.ts";
import type { Seconds } from "../src/shared/units.ts";
import { runOf } from "./federated-objects.ts";
import { ShardArrivals } from "./shard.arrivals.ts";
import { ShardGram } from "./shard.gram.ts";
import { ShardGramStore } from "./shard.gram.store.ts";
import { ShardMaking } from "./shard.making.ts";
import type {
	GramProgress,
	GramUpdate,
	MakingPlan,
	OpenReply,
	PartPlace,
	RowsReply,
	SealReply,
	ShardPlace,
	Slice,
	StagedPart,
	VersionProgress,
} from "./shard.messages.ts";
import { SHARD_MIGRATIONS } from "./shard.migrations.ts";
import { ShardStagingStore } from "./shard.staging.store.ts";
import { ShardTogether } from "./shard.together.ts";
import { ShardVersionStore } from "./shard.version.store.ts";
import { isMigrated, migrate } from "./sql-migrations.ts";

/** An upload that has not ended after this has broken off. */
const UPLOAD_SECONDS: Seconds = 3_600;
/** How long whole parts wait for their update's commit before the run is asked whether it still wants them. */
const WAITING_SECONDS: Seconds = 3_600;
/** Updates that it is asked for in one alarm. */
const ASKED_PER_ALARM = 16;
/** An alarm for what is overdue, as when the run cannot be reached, comes again after this. */
const ALARM_SECONDS_MIN: Seconds = 5;
/** Slices of work in one alarm, each a turn of its own; then the next alarm. */
const SLICES_PER_ALARM = 32;

/** A range of a run's parameters: updates as they are staged, versions, and the optimiser's state. Its name is `run/number`. What
 *  counts is the run's to say; a shard follows, and every call may be repeated. */
export class Shard extends DurableObject<Env> {
	readonly #staging: ShardStagingStore;
	readonly #arrivals: ShardArrivals;
	readonly #together = new ShardTogether();
	readonly #versions: ShardVersionStore;
	readonly #making: ShardMaking;
	readonly #grams: ShardGramStore;
	readonly #gram: ShardGram;

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		// One that was never made, or is deleted, has no tables: whatever comes late fails, and brings nothing back.
		if (isMigrated(ctx.storage)) migrate(ctx.storage, SHARD_MIGRATIONS);
		this.#staging = new ShardStagingStore(ctx.storage);
		this.#arrivals = new ShardArrivals(this.#staging);
		this.#versions = new ShardVersionStore(ctx.storage);
		this.#making = new ShardMaking(this.#staging, this.#versions);
		this.#grams = new ShardGramStore(ctx.storage);
		this.#gram = new ShardGram(this.#staging, this.#grams);
	}

	create({ run, shard, begin, end }: ShardPlace): void {
		migrate(this.ctx.storage, SHARD_MIGRATIONS);
		this.ctx.storage.sql.exec(
			"INSERT OR IGNORE INTO shard (only, run, shard, begin_at, end_at) VALUES (1, ?, ?, ?, ?)",
			run,
			shard,
			begin,
			end,
		);
		this.#versions.begin(0, 0, { kind: "initial" });
	}

	/** Initial weights of file `epoch`, a row at a time; `digest` is that of its bytes. False when the row does not count: the file is
	 *  not the latest, version 0 is whole, or other bytes were sent in its place. */
	putInitialRow(epoch: number, row: number, bytes: Uint8Array<ArrayBuffer>, digest: ArrayBuffer): boolean {
		const weights = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
		return this.#versions.putInitial(epoch, row, weights, digest);
	}

	initialRows(epoch: number): readonly number[] {
		return this.#versions.initialRows(epoch);
	}

	/** Version 0 is whole once all rows of a file are here. */
	finishInitial(epoch: number): VersionProgress {
		const rows = rowCount(this.#place());
		const missing = rows - this.#versions.initialRows(epoch).length;
		if (missing > 0) return { state: "making", rowsLeft: missing };
		this.#versions.finishInitial(epoch, rows);
		return this.#versions.progress(0, epoch, rows);
	}

	/** Begins the upload of a part, or says that these bytes are here. */
	async open(place: PartPlace, digest: string): Promise<OpenReply> {
		await this.#together.turn(encodedBytes(place.encoding, place.end - place.begin));
		const found = this.#staging.part(place);
		if (found && (found.sealed || found.digest === digest)) return { found };
		const now = clock();
		const upload = this.ctx.storage.transactionSync(() => this.#staging.open(place, now));
		await this.#armForStaging();
		return { upload };
	}

	/** Rows of an upload, one behind the other from `row` on, counted within its part: checked, and staged. */
	async putRows(upload: number, row: number, bytes: Uint8Array): Promise<RowsReply> {
		await this.#together.turn(bytes.byteLength, bytes.byteLength);
		return this.#arrivals.putRows(upload, row, bytes);
	}

	/** Ends an upload: with the digest of what came, the part is whole; null, or when rows are missing, it is dropped. */
	async close(upload: number, digest: string | null): Promise<StagedPart | null> {
		await this.#together.turn(0);
		const arriving = this.#staging.arriving(upload);
		const staged =
			arriving && digest !== null
				? this.ctx.storage.transactionSync(() => this.#staging.close(arriving, digest))
				: null;
		if (!staged) this.#staging.drop(upload);
		await this.#armForStaging();
		return staged;
	}

	parts(update: string): readonly StagedPart[] {
		return this.#staging.parts(update);
	}

	/** Fixes what an update consists of here: parts and their digests. */
	async seal(
		update: string,
		encoding: Encoding,
		digests: readonly (readonly [part: number, digest: string])[],
	): Promise<SealReply> {
		const reply = this.ctx.storage.transactionSync(() => this.#staging.seal(update, encoding, new Map(digests)));
		await this.#armForStaging();
		return reply;
	}

	/** Lets parts be replaced again: the update does not count after all. */
	unseal(update: string): void {
		this.#staging.unseal(update);
	}

	/** Forgets everything of these updates. Calls are numbered upwards: one that comes after a later one has lost its way, and what is
	 *  here by now is not what it meant. */
	async release(updates: readonly string[], call: number): Promise<void> {
		this.ctx.storage.transactionSync(() => this.#staging.release(updates, call));
		await this.#arm(clock());
	}

	/** A part as it was sent, row by row of its table. */
	partRow(update: string, encoding: Encoding, begin: number): Uint8Array | null {
		return this.#staging.row(update, encoding, begin);
	}

	/** Sums the inner products of these updates, from an alarm; says how far it is. It comes before `make` of the same attempt. */
	async gram(version: number, attempt: number, updates: readonly GramUpdate[]): Promise<GramProgress> {
		if (!this.#versions.isAttempted(version, attempt)) this.#grams.begin(version, attempt, updates);
		const progress = this.#grams.progress(version, attempt, rowCount(this.#place()));
		if (progress.state === "summing") await this.#arm(clock());
		return progress;
	}

	/** Makes a version, from an alarm; says how far it is. Attempts at one version are numbered upwards. */
	async make(version: number, attempt: number, plan: MakingPlan): Promise<VersionProgress> {
		this.#versions.begin(version, attempt, plan);
		// The coefficients are in the plan.
		this.#grams.remove(version);
		const progress = this.#versions.progress(version, attempt, rowCount(this.#place()));
		if (progress.state === "making") await this.#arm(clock());
		return progress;
	}

	/** Rows of a version, or of one array of the optimiser's state after it, one behind the other; null when one is not here. */
	rows(version: number, row: number, count: number, state: number | null = null): Uint8Array<ArrayBuffer> | null {
		const found: Float32Array<ArrayBuffer>[] = [];
		for (let at = row; at < row + count; at++) {
			const values =
				state === null ? this.#versions.weights(version, at) : this.#versions.optimiserState(version, at, state);
			if (!values) return null;
			found.push(values);
		}
		if (found.length === 1) return new Uint8Array(found[0]!.buffer);
		const bytes = new Uint8Array(found.reduce((sum, { byteLength }) => sum + byteLength, 0));
		let at = 0;
		for (const { buffer } of found) {
			bytes.set(new Uint8Array(buffer), at);
			at += buffer.byteLength;
		}
		return bytes;
	}

	/** Collects all versions up to `newest` but these. */
	async keepOnly(versions: readonly number[], newest: number): Promise<void> {
		this.#versions.keepOnly(versions, newest);
		await this.#arm(clock());
	}

	/** Gives up an attempt at a version. */
	async drop(version: number, attempt: number): Promise<void> {
		this.#versions.drop(version, attempt);
		this.#grams.drop(version, attempt);
		await this.#arm(clock());
	}

	async destroy(): Promise<void> {
		await this.ctx.storage.deleteAlarm();
		await this.ctx.storage.deleteAll();
	}

	override async alarm(): Promise<void> {
		if (!isMigrated(this.ctx.storage)) return;
		this.#staging.giveUp(clock() - UPLOAD_SECONDS);
		await this.#askForWaiting();
		let more = true;
		for (let slice = 0; more && slice < SLICES_PER_ALARM; slice++) {
			const place = this.#place();
			const done = (await this.#making.slice(place)) ?? (await this.#gram.slice(place));
			if (done?.ended) await this.#tell(done, place);
			// What makes a version goes first.
			more = done !== null || this.#staging.collect() || this.#versions.collect();
			// Calls are served between slices.
			await scheduler.wait(0);
		}
		await this.#arm(more ? clock() : Math.max(this.#stagingDue, clock() + ALARM_SECONDS_MIN));
	}

	/** When uploads are to be given up, or the run is to be asked for parts that wait. */
	get #stagingDue(): Seconds {
		return Math.min(
			this.#staging.oldest("arriving") + UPLOAD_SECONDS,
			this.#staging.oldest("staged") + WAITING_SECONDS,
		);
	}

	/** What has been replaced or given up is deleted from the alarm. An alarm that finds nothing to do costs as much as a row. */
	#armForStaging(): Promise<void> {
		return this.#arm(this.#staging.isAnyDead ? clock() : this.#stagingDue);
	}

	/** Parts that came late, for an update that the run does not know or has decided without them, are given up: it will not say so. */
	async #askForWaiting(): Promise<void> {
		const { run } = this.#place();
		try {
			for (const update of this.#staging.waiting(clock() - WAITING_SECONDS, ASKED_PER_ALARM)) {
				const known = await runOf(this.env, run).update(update);
				// Only what is decided has a state.
				const isWanted = known.ok && (!("state" in known.value) || known.value["state"] === "pending");
				this.#staging.endWaiting(update, isWanted, clock());
			}
		} catch (error) {
			console.warn(JSON.stringify({ event: "run_not_asked", run, error: String(error) }));
		}
	}

	/** Tells the run that a version's work is done or has failed. It also asks by itself, so a call that is lost costs time only. */
	async #tell({ of, version, attempt }: Slice, place: ShardPlace): Promise<void> {
		const { run, shard } = place;
		const rows = rowCount(place);
		try {
			const told = runOf(this.env, run);
			if (of === "gram") await told.shardSummed(version, attempt, shard, this.#grams.progress(version, attempt, rows));
			else await told.shardMade(version, attempt, shard, this.#versions.progress(version, attempt, rows));
		} catch (error) {
			console.warn(JSON.stringify({ event: "run_not_told", run, shard, version, error: String(error) }));
		}
	}

	#place(): ShardPlace {
		const { run, shard, begin_at, end_at } = this.ctx.storage.sql
			.exec<{ run: string; shard: number; begin_at: number; end_at: number }>("SELECT * FROM shard")
			.one();
		return { run, shard, begin: begin_at, end: end_at };
	}

	/** Sets the alarm unless one is set that comes soon enough. */
	async #arm(at: Seconds): Promise<void> {
		if (at === Infinity) return;
		const set = await this.ctx.storage.getAlarm();
		if (set === null || set > at * 1_000) await this.ctx.storage.setAlarm(at * 1_000);
	}
}

function clock(): Seconds {
	return Date.now() / 1_000;
}
