import { newHealth, type Health } from "../admission/health.ts";
import { RetryBudget } from "../admission/retry-budget.ts";
import type { CatalogReplica } from "../catalog/snapshot.ts";
import { TokenTimeMeter } from "../money/token-time.ts";
import { kvTokensAreKnown, priorRates } from "../perf/prior.ts";
import { createReplicaModel, type ReplicaModel } from "../perf/replica-model.ts";
import { SharedRate } from "../perf/shared-rate.ts";
import type { LearnedReplica, LearnedState } from "./learned.ts";
import type { ReplicaName } from "./messages.ts";
import type { PeerSummary } from "./peers.ts";
import type { ReplicaCache } from "../kv/replica-caches.ts";
import type { Seconds, Tokens } from "../units.ts";
import type { ReplicaWarmth } from "../warmth/replica-warmth.ts";

/** Long against the gaps between requests, short against the tides of traffic. */
const UTILISATION_MEMORY: Seconds = 60;

/** What the scheduler knows of one replica beyond the catalog. */
export interface ReplicaState {
	/** As the newest catalog has it. */
	entry: CatalogReplica;
	model: ReplicaModel;
	/** Tokens that requests in flight may keep in its KV cache before others wait; infinite where that is not known. */
	readonly roomTokens: Tokens;
	health: Health;
	/** Divides GPU time among requests; null for pools priced by the token. Stays when a pool's price changes to one by the
	 *  token: requests in flight still pay by time. */
	meter: TokenTimeMeter | null;
	retryBudget: RetryBudget;
	/** Seconds of prefill that were sent to it, each second; by all schedulers that have it, as far as they tell. */
	readonly utilisation: SharedRate;
	/** What is known of its KV cache; undefined where it has no place in the index. */
	cache: ReplicaCache | undefined;
	/** Null while its pool does not scale to zero. */
	warmth: ReplicaWarmth | null;
}

/** All replicas of one base model, in catalog order. */
export class Fleet {
	#replicas: readonly ReplicaState[] = [];
	#names: readonly ReplicaName[] = [];
	#byName = new Map<ReplicaName, ReplicaState>();

	get replicas(): readonly ReplicaState[] {
		return this.#replicas;
	}

	/** Names in the same order; one array, shared by all explanations. */
	get names(): readonly ReplicaName[] {
		return this.#names;
	}

	get(name: ReplicaName): ReplicaState | undefined {
		return this.#byName.get(name);
	}

	/** Another scheduler tells how busy it keeps them. */
	hear({ from, utilisation = {} }: PeerSummary, now: Seconds): void {
		for (const [name, perSecond] of Object.entries(utilisation)) {
			this.#byName.get(name)?.utilisation.hear(from, perSecond, now);
		}
	}

	/** Takes over a catalog. A replica keeps what was learned of it while it stays at the same URL; one that moved is new. */
	configure(
		entries: readonly CatalogReplica[],
		retryShare: number,
		learned: LearnedState | undefined,
		now: Seconds,
	): void {
		const budgets = new Map<string, RetryBudget>();
		for (const state of this.#replicas) budgets.set(state.entry.pool.id, state.retryBudget);
		const replicas = entries.map((entry): ReplicaState => {
			const known = this.#byName.get(entry.name);
			let retryBudget = budgets.get(entry.pool.id);
			if (!retryBudget) budgets.set(entry.pool.id, (retryBudget = new RetryBudget({ share: retryShare })));
			const byTime = entry.pool.pricing.per === "gpu_second";
			// The same object goes on: requests in flight refer to it.
			if (known?.entry.baseUrl === entry.baseUrl) {
				return Object.assign(known, {
					entry,
					retryBudget,
					meter: known.meter ?? (byTime ? new TokenTimeMeter() : null),
				});
			}
			const model = modelOf(entry, learned?.replicas[entry.name]);
			const { model: served, pool } = entry.pool;
			const roomTokens = kvTokensAreKnown(served, pool) ? model.prior.kvTokens : Infinity;
			const meter = byTime ? new TokenTimeMeter() : null;
			const utilisation = new SharedRate(UTILISATION_MEMORY);
			const health = newHealth(now);
			return { entry, model, roomTokens, health, meter, retryBudget, utilisation, cache: undefined, warmth: null };
		});
		this.#replicas = replicas;
		this.#names = replicas.map((state) => state.entry.name);
		this.#byName = new Map(replicas.map((state) => [state.entry.name, state]));
	}
}

function modelOf(entry: CatalogReplica, learned: LearnedReplica | undefined): ReplicaModel {
	const prior = priorRates(entry.pool.model, entry.pool.pool);
	return createReplicaModel(prior, learned?.baseUrl === entry.baseUrl ? learned.model : undefined);
}
