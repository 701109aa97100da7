import { linkDigest, versionDigest, type Link } from "../src/shared/federated/audit.ts";
import { coefficientsOf, flushFacts, flushPlan } from "../src/shared/federated/freeze.ts";
import type { FinalRefusal } from "../src/shared/federated/messages.ts";
import { decideFlush, extended, flushFailed, frozen, summing, versionMade } from "../src/shared/federated/round.ts";
import { isClosed, paused } from "../src/shared/federated/run-state.ts";
import { makeRule } from "../src/shared/federated/rules/registry.ts";
import type { Coefficients } from "../src/shared/federated/rules/rule.ts";
import { nextParent, type Making, type Run } from "../src/shared/federated/run.ts";
import type { Seconds } from "../src/shared/units.ts";
import { clock, type RunContext } from "./run.context.ts";
import { roundSummary } from "./run.summary.ts";
import type { RunUpkeep } from "./run.upkeep.ts";
import type { StoredVersion } from "./run.versions.store.ts";
import type { GramProgress, MakingPlan, VersionProgress } from "./shard.messages.ts";

interface Refused {
	readonly id: string;
	readonly client: string;
}

/** From updates that are pending to a version that every shard has. What is decided stands in the run's rows before a shard hears
 *  of it, and shards are asked again until they have done it. */
export class RunFlush {
	readonly #context: RunContext;
	readonly #upkeep: RunUpkeep;

	constructor(context: RunContext, upkeep: RunUpkeep) {
		this.#context = context;
		this.#upkeep = upkeep;
	}

	/** Asks the flush rule, and does what it says. Call in a transaction, and `goOn` after it. */
	settle(now: Seconds): void {
		const { store, updates, versions, specification } = this.#context;
		const run = store.run();
		const decision = decideFlush(run, specification, updates.pendingCount(run.round), now);
		switch (decision.kind) {
			case "wait":
				return;
			case "flush":
				return this.#freeze(run, now);
			case "extend":
				store.putRun(extended(run, decision.deadline));
				versions.extendRound(run.round);
				return this.#context.note("round_extended", { round: run.round, deadline: decision.deadline }, now);
			case "pause": {
				const stopped = paused(run, decision.reason, now);
				if (stopped.ok) store.putRun(stopped.value);
				return this.#context.note("state", { state: "paused", reason: decision.reason }, now);
			}
		}
	}

	/** Tells the shards what is to be done, now and from the alarm until it is. */
	async goOn(): Promise<void> {
		await this.#upkeep.arm();
		// Who has called need not wait for the shards.
		void this.#dispatch();
	}

	/** A shard's word on a version. Repeated words change nothing. */
	async shardMade(version: number, attempt: number, shard: number, progress: VersionProgress): Promise<void> {
		const { versions, shards } = this.#context;
		const making = this.#making(version, attempt, "sum");
		if (!making) return;
		if (progress.state === "failed") return this.#fail(making, progress.fault);
		if (progress.state !== "made") return;
		versions.shardMade(version, shard, progress.rowDigests);
		if (versions.shardsMade(version).size === shards.length) await this.#finish(making);
	}

	/** A shard's word on the inner products of a flush; with the last one the coefficients are there. */
	async shardSummed(version: number, attempt: number, shard: number, progress: GramProgress): Promise<void> {
		const { grams, shards } = this.#context;
		const making = this.#making(version, attempt, "gram");
		if (!making) return;
		if (progress.state === "failed") return this.#fail(making, progress.fault);
		if (progress.state !== "summed") return;
		grams.put(version, shard, progress.products);
		if (grams.shards(version).size < shards.length) return;
		const fault = this.#context.transact(() => this.#weigh(making));
		if (fault !== null) return this.#fail(making, fault);
		await this.goOn();
	}

	/** The round ends: its updates are fixed, in one transaction with the round's end. So are their coefficients, unless the rule has
	 *  to see their inner products first. */
	#freeze(run: Run, now: Seconds): void {
		const { store, updates, versions, members, grams, specification } = this.#context;
		const parent = nextParent(run);
		const facts = this.#facts(run.round, parent);
		const { flush, rule } = specification;
		const interval = flush.when === "interval" ? flush.seconds : null;
		const population = { populationWeight: members.populationWeight(), interval };
		const phase: Making["phase"] = makeRule(rule).needs.gram ? "gram" : "sum";
		let coefficients: Coefficients | null = null;
		if (phase === "sum") {
			const found = coefficientsOf(specification, facts, population, null);
			if (!found.ok) {
				store.putRun(flushFailed(run, now));
				const { message } = found.error;
				const largest = updates.largest(run.round);
				return this.#context.note("flush_failed", { round: run.round, message, largest }, now);
			}
			coefficients = found.value;
		}
		const next = frozen(run, phase, now);
		const version = parent + 1;
		const plan = flushPlan(specification, facts, coefficients, { version, parent, step: run.step + 1 });
		versions.begin({ version, kind: "flush", parent, step: plan.step, round: run.round }, plan, now);
		if (phase === "gram") grams.begin(version, population);
		versions.closeRound(run.round, version, roundSummary(this.#context.storage, run.round), now);
		versions.openRound(next.round, now);
		store.putRun(next);
		this.#upkeep.releaseStale(next);
		this.#context.note("flush_started", { round: run.round, version, updates: facts.length }, now);
	}

	/** Computes the coefficients of a flush from its inner products, once; from then on it is a sum. What is wrong with them, or null.
	 *  Call in a transaction. */
	#weigh({ version, round, parent, step }: StoredVersion): string | null {
		const { store, versions, grams, specification } = this.#context;
		const from = parent ?? 0;
		const facts = this.#facts(round, from);
		const gram = grams.gram(version, facts.length);
		const coefficients = coefficientsOf(specification, facts, grams.context(version), gram);
		if (!coefficients.ok) return coefficients.error.message;
		versions.putPlan(version, flushPlan(specification, facts, coefficients.value, { version, parent: from, step }));
		grams.remove(version);
		store.putRun(summing(store.run()));
		return null;
	}

	/** The updates of a round that ends, in id order. */
	#facts(round: number, parent: number) {
		const pending = this.#context.updates.pending(round);
		const encodings = new Map(pending.map(({ id, encoding }) => [id, encoding]));
		return flushFacts(pending, parent).map((fact) => ({ ...fact, encoding: encodings.get(fact.id)! }));
	}

	/** Asks all shards for what is to be done next for the version that is being made. */
	async #dispatch(): Promise<void> {
		const { store, versions } = this.#context;
		if (store.isDeleting) return;
		const { making } = store.run();
		const row = making && versions.version(making.version);
		if (!row) return;
		try {
			if (making.phase === "gram") await this.#askForProducts(row);
			else await this.#askForVersion(row);
		} catch (error) {
			// The alarm asks again.
			this.#context.warn("shard_unreachable", error);
		}
	}

	async #askForProducts({ version, round }: StoredVersion): Promise<void> {
		const { versions, grams, shards } = this.#context;
		const updates = versions.plan(version)!.updates.map(({ id, encoding }) => ({ id, encoding }));
		const summed = grams.shards(version);
		const left = shards.filter(({ shard }) => !summed.has(shard));
		await this.#context.eachShard(left, async (shard, range) => {
			const progress = await shard.gram(version, round, updates);
			await this.shardSummed(version, round, range.shard, progress);
		});
	}

	async #askForVersion(row: StoredVersion): Promise<void> {
		const { versions, shards } = this.#context;
		const plan: MakingPlan =
			row.kind === "rollback"
				? { kind: "copy", from: row.parent ?? 0 }
				: { kind: "flush", ...versions.plan(row.version)! };
		const made = versions.shardsMade(row.version);
		const left = shards.filter(({ shard }) => !made.has(shard));
		await this.#context.eachShard(left, async (shard, range) => {
			const progress = await shard.make(row.version, row.round, plan);
			await this.shardMade(row.version, row.round, range.shard, progress);
		});
	}

	/** Every shard has it: the version shows, and its updates are accepted in it. */
	async #finish(making: StoredVersion): Promise<void> {
		const { version, round, step } = making;
		const { store, updates, versions, members, specification } = this.#context;
		const digest = await versionDigest(versions.rowDigests(version));
		const link = await linkDigest(this.link(making, digest));
		const now = clock();
		this.#context.transact(() => {
			if (!this.#making(version, round, "sum")) return;
			const before = store.run();
			const run = versionMade(before, specification, step, now);
			versions.finish(version, digest, link, now);
			updates.accept(round, version);
			members.countAccepted(version);
			store.putRun(run);
			this.#upkeep.collectVersions();
			if (!specification.retention.updates) {
				for (const { id } of updates.acceptedIn(version)) store.addRelease(id);
			}
			this.#context.note("version", { version, digest, round, seconds: now - making.begunAt }, now);
			if (run.state !== before.state) {
				this.refusePending("run_closed", null, now);
				this.dropTasks("run_closed", now);
				this.#context.note("state", { state: run.state, reason: null }, now);
			}
			if (run.state === "running") this.#context.note("round_opened", { round: run.round, version }, now);
			this.settle(now);
		});
		await this.goOn();
	}

	/** What ties a version into the run's chain. */
	link({ version, kind, parent, step }: StoredVersion, digest: string): Link {
		const { versions, updates } = this.#context;
		const previous = versions.version(version - 1)?.link ?? "";
		if (kind === "rollback") {
			return { previous, version, versionDigest: digest, made: { kind, of: parent ?? 0 } };
		}
		const plan = versions.plan(version)!;
		const linked = plan.updates.map(({ id, coefficient }) => ({
			id,
			digest: updates.update(id)?.digest ?? "",
			coefficient,
		}));
		const { rule, optimiser, bases } = plan;
		return {
			previous,
			version,
			versionDigest: digest,
			made: { kind: "flush", parent: plan.parent, step, rule, optimiser, updates: linked, bases },
		};
	}

	/** The version cannot be made of these updates: they are pending again, and the run waits for its operator. */
	async #fail({ version, round }: StoredVersion, fault: string): Promise<void> {
		const { store, updates, versions, grams } = this.#context;
		const now = clock();
		this.#context.transact(() => {
			if (!this.#making(version, round)) return;
			const run = flushFailed(store.run(), now);
			versions.fail(version);
			// The shards are told so, now or from the alarm.
			store.collectDue = true;
			grams.remove(version);
			store.putRun(run);
			this.#context.note("flush_failed", { round, version, message: fault, largest: updates.largest(round) }, now);
			if (isClosed(run)) return this.refusePending("run_closed", null, now);
			for (const update of updates.pendingOfExpelled()) this.refuse(update, "expelled", now);
			// Of one client that has another already the older goes.
			for (const update of updates.doubles(run.round, round)) this.refuse(update, "round_closed", now);
			updates.moveTo(run.round, round);
		});
		await this.goOn();
	}

	/** Refuses what is pending, in one round or in all. Call in a transaction. */
	refusePending(reason: FinalRefusal, round: number | null, now: Seconds): void {
		for (const update of this.#context.updates.refusePending(reason, round)) this.#refused(update, reason, now);
	}

	/** Refuses one that is pending. Call in a transaction. */
	refuse(update: Refused, reason: FinalRefusal, now: Seconds): void {
		this.#context.updates.refuse(update.id, reason);
		this.#refused(update, reason, now);
	}

	#refused({ id, client }: Refused, reason: FinalRefusal, now: Seconds): void {
		const { store, members, versions } = this.#context;
		store.addRelease(id);
		members.countRefused(client);
		versions.countRefused(store.run().round);
		this.#context.note("update_refused", { update: id, client, reason }, now);
	}

	/** Ends all open tasks with this answer. Call in a transaction. */
	dropTasks(reason: FinalRefusal, now: Seconds): void {
		const { store, updates } = this.#context;
		for (const task of updates.openTasks()) {
			updates.addRefused(task, reason, now);
			updates.endTask(task.id);
			store.addRelease(task.id);
		}
	}

	/** The row of the version that is being made, if it is still this attempt and, where one is named, in this phase. */
	#making(version: number, attempt: number, phase?: Making["phase"]): StoredVersion | null {
		const { making } = this.#context.store.run();
		if (making?.version !== version || (phase !== undefined && making.phase !== phase)) return null;
		const row = this.#context.versions.version(version);
		return row?.state === "making" && row.round === attempt ? row : null;
	}
}
