import { specificationDigest, linkDigest, versionDigest } from "../src/shared/federated/audit.ts";
import { rolledBack } from "../src/shared/federated/round.ts";
import { cancelled, finished, newRun, paused, started, weightsReady } from "../src/shared/federated/run-state.ts";
import type { Run } from "../src/shared/federated/run.ts";
import type { Specification } from "../src/shared/federated/specification.ts";
import type { Manifest } from "../src/shared/federated/manifest.ts";
import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";
import { err, ok, type Result } from "../src/shared/result.ts";
import { shardOf } from "./federated-objects.ts";
import { clock, type RunContext } from "./run.context.ts";
import type { RunFlush } from "./run.flush.ts";
import type { RunAction, Shown, WeightsFileHead } from "./run.messages.ts";
import { shownRun } from "./run.show.ts";
import { roundSummary } from "./run.summary.ts";
import { rowCount, shardsOf } from "../src/shared/federated/shard-plan.ts";

/** What its operator does with a run: from its creation to its end. */
export class RunLifecycle {
	readonly #context: RunContext;
	readonly #flush: RunFlush;

	constructor(context: RunContext, flush: RunFlush) {
		this.#context = context;
		this.#flush = flush;
	}

	async create(id: string, tenant: string, specification: Specification, manifest: Manifest): Promise<Shown> {
		const { env, store, storage } = this.#context;
		if (!store.facts()) {
			const shards = shardsOf(manifest.parameters, specification.shard_parameters);
			await Promise.all(shards.map((range) => shardOf(env, id, range.shard).create({ run: id, ...range })));
			const now = clock();
			storage.transactionSync(() => {
				store.create(id, tenant, specification, manifest, newRun(), now);
				store.addEvent("state", { state: "open" }, now);
			});
		}
		return shownRun(this.#context);
	}

	/** The file of the initial weights, while it may still come. */
	weightsFile(): Result<WeightsFileHead | null, IsobarError> {
		const { store } = this.#context;
		const { state, version } = store.run();
		if (state === "open" && version === null) return ok(store.weightsFile());
		return err(isobarError("run_state", `The run is ${state}: its weights are what they are`, { details: { state } }));
	}

	/** Begins a file anew; the shards drop what they have of an earlier one with the first row of this. */
	beginWeightsFile(file: Omit<WeightsFileHead, "epoch">): Result<WeightsFileHead, IsobarError> {
		const open = this.weightsFile();
		if (!open.ok) return open;
		const head = { ...file, epoch: (open.value?.epoch ?? 0) + 1 };
		this.#context.transact(() => this.#context.store.putWeightsFile(head));
		return ok(head);
	}

	async change(action: RunAction): Promise<Result<Shown, IsobarError>> {
		if (action === "start") {
			const weights = await this.#takeWeights();
			if (!weights.ok) return weights;
		}
		const { store } = this.#context;
		const now = clock();
		const changed = this.#context.transact((): Result<Run, IsobarError> => {
			const run = store.run();
			const next = this.#changed(action, run);
			if (!next.ok) return next;
			if (next.value !== run) {
				this.#giveUp(run, next.value);
				// Their clocks stood still.
				if (action === "resume" && run.pausedAt !== null) this.#context.updates.putOff(now - run.pausedAt);
				store.putRun(next.value);
				this.#context.versions.openRound(next.value.round, now);
				this.#context.note("state", { state: next.value.state, reason: next.value.pauseReason }, now);
				if (action === "resume" || action === "start") this.#flush.settle(now);
			}
			return next;
		});
		if (!changed.ok) return changed;
		await this.#flush.goOn();
		return ok(shownRun(this.#context));
	}

	async rollback(version: number): Promise<Result<Shown, IsobarError>> {
		const { store, versions } = this.#context;
		const now = clock();
		const begun = this.#context.transact((): Result<null, IsobarError> => {
			const run = store.run();
			const found = versions.version(version);
			if (!found || found.state === "making" || found.state === "failed") return err(noVersion(String(version)));
			if (found.state === "collected") return err(goneVersion(version));
			const next = rolledBack(run, true, now);
			if (!next.ok) return err(isobarError("run_state", next.error.message, { details: { reason: next.error.code } }));
			this.#flush.refusePending("rolled_back", null, now);
			this.#flush.dropTasks("rolled_back", now);
			versions.closeRound(run.round, null, roundSummary(this.#context.storage, run.round), now);
			versions.begin(
				{ version: next.value.making!.version, kind: "rollback", parent: version, step: found.step, round: run.round },
				null,
				now,
			);
			store.putRun(next.value);
			versions.openRound(next.value.round, now);
			this.#context.note("rollback", { to: version, version: next.value.making!.version }, now);
			return ok(null);
		});
		if (!begun.ok) return begun;
		await this.#flush.goOn();
		return ok(shownRun(this.#context));
	}

	/** Begins the deletion of everything; the alarm goes on with it when a shard cannot be reached. */
	async remove(): Promise<Shown> {
		const { store, facts } = this.#context;
		store.markDeleting();
		this.#context.wakeAll();
		await this.#flush.goOn();
		return { object: "run", id: facts.id, state: "deleted" };
	}

	#changed(action: RunAction, run: Run): Result<Run, IsobarError> {
		const { specification } = this.#context;
		const asked = (): Result<Run, { readonly message: string }> => {
			switch (action) {
				case "start":
					return run.state === "paused"
						? err({ message: "a paused run is resumed" })
						: started(run, specification, clock());
				case "resume":
					return run.state === "open"
						? err({ message: "an open run is started" })
						: started(run, specification, clock());
				case "pause":
					return paused(run, "asked", clock());
				case "finish":
					return run.state === "open" ? err({ message: "an open run is cancelled or started" }) : finished(run);
				case "cancel":
					return run.state === "cancelled" ? ok(run) : cancelled(run);
			}
		};
		const next = asked();
		return next.ok ? next : err(isobarError("run_state", next.error.message, { details: { state: run.state } }));
	}

	/** What a run that ends leaves undone. */
	#giveUp(before: Run, after: Run): void {
		if (after.state !== "finished" && after.state !== "cancelled") return;
		const now = clock();
		const { versions, grams } = this.#context;
		if (before.making && !after.making) {
			versions.fail(before.making.version);
			this.#context.store.collectDue = true;
			grams.remove(before.making.version);
		}
		// What is being summed into a last version counts.
		this.#flush.refusePending("run_closed", after.making ? after.round : null, now);
		this.#flush.dropTasks("run_closed", now);
	}

	/** Makes the initial weights version 0, when every shard has all rows of the file that was begun last. No shard fixes its rows
	 *  before all have said so; one that has fixed them takes another file if one is begun before version 0 is there. */
	async #takeWeights(): Promise<Result<null, IsobarError>> {
		const { store, versions, specification, manifest, shards } = this.#context;
		if (store.run().version !== null) return ok(null);
		const epoch = store.weightsFile()?.epoch ?? 0;
		const lacking = await this.#context.eachShard(shards, async (shard, range) => {
			return rowCount(range) - (await shard.initialRows(epoch)).length;
		});
		const missing = lacking.reduce((sum, rows) => sum + rows, 0);
		if (missing > 0) return err(weightsIncomplete(missing));
		const progress = await this.#context.eachShard(shards, (shard) => shard.finishInitial(epoch));
		const open = progress.filter(({ state }) => state !== "made").length;
		if (open > 0) return err(weightsIncomplete(open));
		const digests = progress.flatMap((each) => (each.state === "made" ? [...each.rowDigests] : []));
		const digest = await versionDigest(Uint8Array.from(digests));
		const previous = await specificationDigest({ specification, manifest });
		const link = await linkDigest({ previous, version: 0, versionDigest: digest, made: { kind: "initial" } });
		const now = clock();
		return this.#context.transact((): Result<null, IsobarError> => {
			const ready = weightsReady(store.run());
			if (!ready.ok || store.run().version !== null) return ok(null);
			// Another file was begun meanwhile.
			if ((store.weightsFile()?.epoch ?? 0) !== epoch)
				return err(weightsIncomplete(rowCount({ begin: 0, end: manifest.parameters })));
			versions.begin({ version: 0, kind: "initial", parent: null, step: 0, round: 0 }, null, now);
			versions.finish(0, digest, link, now);
			store.putRun(ready.value);
			this.#context.note("version", { version: 0, digest, updates: 0 }, now);
			return ok(null);
		});
	}
}

function weightsIncomplete(rows: number): IsobarError {
	const message = `${rows} rows of the initial weights are missing: send them with PUT /weights`;
	return isobarError("weights_incomplete", message, { details: { rows_missing: rows } });
}

export function noVersion(name: string): IsobarError {
	return isobarError("version_not_found", `The run has no version ${name}`, { param: "version" });
}

export function goneVersion(version: number): IsobarError {
	return isobarError("version_gone", `Version ${version} is no longer kept`, { param: "version" });
}
