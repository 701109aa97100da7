import { ENGINES } from "../catalog/engines.ts";
import { RecentMap } from "../catalog/recent-map.ts";
import {
	ReplicaCaches,
	type CacheStatistics,
	type PrefixMatch,
	type ReplicaCache,
	type StoredPrefixes,
} from "../kv/replica-caches.ts";
import { prefixTokens, tokensPerBlock } from "../kv/prefix-tokens.ts";
import type { Seconds, Tokens } from "../units.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import type { FlightRequest } from "./flights.ts";
import type { LearnedState } from "./learned.ts";
import type { AssignRequest, Ended, Endpoint, ReplicaName } from "./messages.ts";

/** What is remembered of a request's prefix while it is in flight. */
export interface PrefixFlight extends PrefixMatch {
	readonly cache: ReplicaCache;
	readonly chain: Uint32Array;
}

/** A prompt's blocks, looked up for all replicas. */
export interface PrefixLook {
	/** Blocks that some replica holds. */
	readonly possible: number;
	/** Tokens in a block. */
	readonly perBlock: Tokens;
	/** Where the conversation was last, when no block tells. */
	readonly session: ReplicaName | undefined;
	/** Prompt tokens that replicas hold by their engines' own events, where the prompt came as tokens. */
	readonly told: ReadonlyMap<ReplicaName, Tokens>;
}

/** What engines tell of their caches by events. */
export interface EngineTellings {
	/** About how much of a prompt's start each replica holds, those left out that hold nothing; `chainFor` gives the chain of
	 *  `token-chain.ts` as a replica's engine sees it. */
	extents(chainFor: (replica: ReplicaName) => Uint32Array): ReadonlyMap<ReplicaName, Tokens>;
}

const NOTHING_TOLD: ReadonlyMap<ReplicaName, Tokens> = new Map();

export interface PrefixStatistics {
	/** Memory of the index as it is now. */
	readonly bytes: number;
	readonly blocks: number;
	readonly replicas: readonly CacheStatistics[];
}

const ENDPOINTS: readonly Endpoint[] = ["chat", "completions", "embeddings"];
const NO_CHAIN = new Uint32Array(0);
/** An engine that computes so much of a prompt tells of it at once. */
const COMPUTED_MIN: Tokens = 64;
const SILENT_SECONDS: Seconds = 180;
const SESSIONS_MAX = 8_192;
const BYTES_PER_TOKEN_MIN = 1;

/** What a scheduler knows of the prefixes that its replicas hold, in terms of requests. */
export class Prefixes {
	readonly #caches: ReplicaCaches;
	/** By tenant and session. */
	readonly #sessions = new RecentMap<string, ReplicaName>(SESSIONS_MAX);

	readonly #engines: EngineTellings | undefined;
	/** Replicas whose engine is given a salt. */
	#salted: ReadonlySet<ReplicaName> = new Set();

	constructor(bytesMax: number, engines?: EngineTellings) {
		this.#caches = new ReplicaCaches(bytesMax);
		this.#engines = engines;
	}

	/** Follows the fleet: replicas that left or moved are forgotten. `shards`: schedulers that share their caches. */
	configure({ replicas }: Fleet, learned: LearnedState | undefined, shards = 1): void {
		this.#caches.configure(
			replicas.map(({ entry: { name, baseUrl }, model }) => {
				const known = learned?.replicas[name];
				const stored = known?.baseUrl === baseUrl ? known.cache : undefined;
				return { name, baseUrl, kvTokens: model.prior.kvTokens, stored };
			}),
			1 / shards,
		);
		this.#salted = new Set(replicas.filter(({ entry }) => entry.pool.cacheSalt).map(({ entry }) => entry.name));
		for (const replica of replicas) replica.cache = this.#caches.get(replica.entry.name);
	}

	/** The answers of `cached` are about the request that was looked for last. */
	look(request: AssignRequest, bytesPerToken: number): PrefixLook {
		const { prefix, prefixUnit, session, tenant } = request;
		const perBlock = tokensPerBlock(prefixUnit, bytesPerToken);
		if (prefixUnit?.of !== "tokens") this.#caches.calibrate(1 / perBlock);
		const possible = prefix && prefix.length > 0 ? this.#caches.match(prefix) : 0;
		const hinted = possible === 0 && session !== undefined;
		return {
			possible,
			perBlock,
			session: hinted ? this.#sessions.get(sessionKey(tenant, session)) : undefined,
			told: this.#told(request),
		};
	}

	/** Prompt tokens that the replica is expected to hold, of a prompt of so many. */
	cached({ entry, cache }: ReplicaState, look: PrefixLook, promptTokens: Tokens): Tokens {
		const trust = cache?.belief.trust ?? 1;
		const told =
			look.told.size > 0 ? Math.floor(Math.min(promptTokens - 1, look.told.get(entry.name) ?? 0) * trust) : 0;
		if (look.possible === 0 || cache === undefined) return told;
		const held = this.#caches.held(cache);
		if (held === 0) return told;
		// What others in flight there are yet to compute no event tells.
		return Math.max(told, Math.floor(prefixTokens(held, look.perBlock, promptTokens) * trust));
	}

	/** Names what the replica holds of the prompt, so that requests which have it in common keep it in memory once; null where
	 *  it holds nothing. As `cached`, about the request that was looked for last. */
	sharedBeginning({ cache }: ReplicaState, { prefix }: AssignRequest, { possible }: PrefixLook): number | null {
		const held = cache && prefix && possible > 0 ? this.#caches.held(cache) : 0;
		return held > 0 ? prefix![2 * held - 2]! : null;
	}

	/** The replicas that hold a beginning of the chain, and how many blocks. Changes nothing. */
	heldBy({ replicas }: Fleet, chain: Uint32Array): { readonly replica: ReplicaName; readonly blocks: number }[] {
		if (chain.length === 0 || this.#caches.match(chain) === 0) return [];
		return replicas.flatMap(({ entry, cache }) => {
			const blocks = cache ? this.#caches.held(cache) : 0;
			return blocks > 0 ? [{ replica: entry.name, blocks }] : [];
		});
	}

	/** The request was sent to the replica. Null where there is nothing to follow. */
	sent({ entry, cache }: ReplicaState, request: AssignRequest, look: PrefixLook): PrefixFlight | null {
		const { prefix: chain, session, tenant } = request;
		if (session !== undefined) this.#sessions.set(sessionKey(tenant, session), entry.name);
		if (!cache || !chain || chain.length === 0) return null;
		return { ...this.#caches.expect(cache, chain, look.possible), cache, chain };
	}

	/** Notes whether an answer tells what it hit, and that the replica computed. Returns the prompt tokens that it hit: an engine that says nothing of a miss has hit nothing
	 *  once an answer of that kind has told. (Not all endpoints of a version do.) Null: it does not say. */
	noteAnswer(
		{ entry, cache }: ReplicaState,
		{ endpoint, stream }: FlightRequest,
		ended: Ended,
		now: Seconds,
	): Tokens | null {
		const { outcome, promptTokens, cachedTokens } = ended;
		if (cache && outcome === "ok" && (promptTokens ?? 0) - (cachedTokens ?? 0) >= COMPUTED_MIN) cache.answeredAt = now;
		if (!cache || outcome !== "ok" || promptTokens === null) return cachedTokens;
		const kind = ENDPOINTS.indexOf(endpoint) * 2 + (stream ? 1 : 0);
		if (cachedTokens === null)
			return ENGINES[entry.pool.pool.engine].silentOnMiss && cache.belief.tells(kind) ? 0 : null;
		cache.belief.told(kind);
		return cachedTokens;
	}

	/** It is over. What the replica has computed stays; of what failed before its first token remains what was there before. */
	ended(flight: PrefixFlight, ended: Ended, promptTokens: Tokens, request: FlightRequest, bytesPerToken: number): void {
		const { cache, chain } = flight;
		if (!this.#isCurrent(cache)) return;
		if (ended.outcome !== "ok" && ended.ttft === null) {
			this.#caches.takeBack(cache, chain, flight);
			return;
		}
		if (ended.outcome !== "ok") {
			this.#caches.confirm(cache, chain);
			return;
		}
		// The prompt's own bytes per token, where the pool has counted it; images have tokens and no bytes.
		const own = ended.promptTokens
			? Math.max(BYTES_PER_TOKEN_MIN, request.promptBytes / ended.promptTokens)
			: bytesPerToken;
		const perBlock = tokensPerBlock(request.prefixUnit, own);
		const seen = { perBlock, prompt: ended.promptTokens ?? promptTokens, cached: ended.cachedTokens };
		this.#caches.answered(cache, chain, flight, seen);
	}

	/** Nothing is known but that it was never computed there. */
	dropped({ cache, chain, ...match }: PrefixFlight): void {
		if (this.#isCurrent(cache)) this.#caches.takeBack(cache, chain, match);
	}

	/** It was computed on another replica than was decided. */
	computed({ cache }: ReplicaState, chain: Uint32Array): void {
		if (cache) this.#caches.confirm(cache, chain);
	}

	/** Its engine tells how many tokens it can hold; null: not any more. */
	holdsAtMost(replica: ReplicaName, tokens: Tokens | null): void {
		const cache = this.#caches.get(replica);
		if (cache) this.#caches.holdsAtMost(cache, tokens);
	}

	/** Its engine has sent events. */
	heard(replica: ReplicaName, now: Seconds): void {
		const cache = this.#caches.get(replica);
		if (cache) cache.heardAt = now;
	}

	/** Its events have stopped, though it computes: what they told is of the past. */
	isSilent(replica: ReplicaName): boolean {
		const cache = this.#caches.get(replica);
		return cache !== undefined && cache.answeredAt - cache.heardAt > SILENT_SECONDS;
	}

	/** False when there is no such replica. */
	forget(replica: ReplicaName): boolean {
		const cache = this.#caches.get(replica);
		if (cache) this.#caches.forget(cache);
		return cache !== undefined;
	}

	/** Replicas of which at least so many blocks changed since they were last stored, the most changed first. */
	changed(blocksMin?: number): ReplicaName[] {
		return this.#caches.changed(blocksMin);
	}

	snapshot(replica: ReplicaName): StoredPrefixes | undefined {
		const cache = this.#caches.get(replica);
		return cache && this.#caches.snapshot(cache);
	}

	/** There will be so many blocks to restore. */
	reserve(blocks: number): void {
		this.#caches.reserve(blocks);
	}

	/** As in `ReplicaCaches`. */
	restore(replica: ReplicaName, baseUrl: string, part: Uint32Array): boolean {
		return this.#caches.restore(replica, baseUrl, part);
	}

	statistics(): PrefixStatistics {
		const { bytes, size: blocks } = this.#caches;
		return { bytes, blocks, replicas: this.#caches.statistics() };
	}

	#told({ tokenChains }: AssignRequest): ReadonlyMap<ReplicaName, Tokens> {
		if (!tokenChains || !this.#engines) return NOTHING_TOLD;
		const { salted, plain } = tokenChains;
		return this.#engines.extents((name) => (this.isSilent(name) ? NO_CHAIN : this.#salted.has(name) ? salted : plain));
	}

	/** It may have left or moved while the request was in flight. */
	#isCurrent(cache: ReplicaCache): boolean {
		return this.#caches.get(cache.name) === cache;
	}
}

/** Clients choose the names of sessions; the tenant is ours and holds no line end. */
function sessionKey(tenant: string, session: string): string {
	return `${tenant}\n${session}`;
}
