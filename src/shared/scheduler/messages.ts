/** What crosses between an isolate and the scheduler object. Plain data, so that the replay harness can speak it too. */
import type { Act } from "./acts.ts";
import type { Capability } from "../catalog/schema.ts";
import type { PrivacyZone } from "../catalog/router-names.ts";
import type { Priority } from "../catalog/keys.ts";
import type { IsobarError } from "../http/errors.ts";
import type { PrefixUnit } from "../kv/prefix-chain.ts";
import type { Explanation } from "./explanation.ts";
import type { LengthBelief } from "../perf/length-belief.ts";
import type { PeerSummary } from "./peers.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import type { HedgeTerms } from "../warmth/hedge.ts";
import type { WarmthSignal, WarmthState } from "../warmth/signal.ts";

export type Endpoint = "chat" | "completions" | "embeddings";

/** Where an endpoint's prompt stands in the body. */
export const PROMPT_MEMBER: Readonly<Record<Endpoint, string>> = {
	chat: "messages",
	completions: "prompt",
	embeddings: "input",
};

/** `pool/replica`, unique in a catalog. */
export type ReplicaName = string;

export interface AssignRequest {
	/** Names this attempt: the request id and the attempt's number. A repeated call with it gets the same reservation. */
	readonly reservation: string;
	readonly catalogVersion: number;
	readonly model: string;
	readonly endpoint: Endpoint;
	readonly tenant: string;
	readonly key: string;
	/** Bytes of the request that are prompt, from which the scheduler estimates tokens. */
	readonly promptBytes: number;
	/** Of these, the bytes of the longest prompt: a batch of completions or embeddings has several. Absent: all of them. */
	readonly longestPromptBytes?: number;
	/** Never more prompt tokens than this. */
	readonly promptTokensMax: Tokens;
	/** Output tokens at most, over all choices (`n`). */
	readonly outputTokensMax: Tokens;
	/** Of one choice: what has to fit into the context beside the prompt. */
	readonly choiceTokensMax: Tokens;
	readonly needs: readonly Capability[];
	readonly stream: boolean;
	readonly policy: AssignPolicy;
	/** Replicas that this request has failed on already. */
	readonly exclude: readonly ReplicaName[];
	/** Where the isolate runs (Cloudflare's airport code), for round trips. */
	readonly edge: string;
	/** This attempt is a retry: it needs room in the retry budget. */
	readonly retry: boolean;
	/** It is in flight under the reservation `of`, without an answer: whether to send it to another provider too. */
	readonly hedge?: { readonly of: string };
	/** Another group's scheduler has sent it here: it is not sent on. */
	readonly referred?: boolean;
	/** The blocks of the prompt, two words each, as kv/prefix-chain.ts makes them. Absent or empty: nothing is known of it. */
	readonly prefix?: Uint32Array;
	/** What a block holds. Absent: the default of kv/prefix-chain.ts. */
	readonly prefixUnit?: PrefixUnit;
	/** Of a prompt that came as tokens, where engines of the model send events: its chains (kv/events/token-chain.ts) as engines
	 *  see it that are given the tenant's salt, and that are not. */
	readonly tokenChains?: { readonly salted: Uint32Array; readonly plain: Uint32Array };
	/** Names the conversation, as the client does. Decides between replicas of nearly the same score where none holds a
	 *  block of the prompt. */
	readonly session?: string;
}

export interface AssignPolicy {
	readonly valueOfSecond: Usd;
	readonly ttftGoal: Seconds;
	readonly lateSecond: Usd;
	readonly priority: Priority;
	/** The tenant's weight among those that wait in its class. Absent: 1. */
	readonly fairWeight?: number;
	/** What the delays of others count against the request's own. Absent: 1. */
	readonly harmWeight?: number;
	/** Whether it may be sent a second time when its answer is late. Absent: no. */
	readonly hedge?: boolean;
	readonly waitingMax: Seconds;
	readonly regions: readonly string[] | null;
	readonly priceCeiling: Usd | null;
	/** The last zone that the prompt may go to. Absent: any. */
	readonly privacy?: PrivacyZone;
	/** Tokens of context that a pool must have, whatever the prompt needs. Absent: none. */
	readonly contextMin?: Tokens;
	/** Ids of pools where the request could cost more than its client allows. Absent: none. */
	readonly barredPools?: readonly string[];
}

/** One replica that the caller may use. `expected*` are means. */
export interface RankedReplica {
	readonly replica: ReplicaName;
	readonly pool: string;
	readonly expectedTtft: Seconds;
	readonly expectedSeconds: Seconds;
	readonly expectedUsd: Usd;
	/** Of the prompt, what is expected in the replica's prefix cache. Absent where the fallback chose. */
	readonly expectedCachedTokens?: Tokens;
	/** An answer of a replica that may be cold can begin so much later than one of a warm replica, with a probability of 99 %;
	 *  0 where it is warm. Absent where the fallback chose. */
	readonly startSecondsMax?: Seconds;
}

export type AssignReply =
	| {
			readonly kind: "assigned";
			/** Ranked best first; the reservation is on the first. At most three. */
			readonly ranked: readonly RankedReplica[];
			readonly promptTokens: Tokens;
			readonly outputTokens: Tokens;
			readonly waited: Seconds;
			readonly explanation: Explanation;
			/** Without an answer for so long, it may ask for a hedge. Absent: it is never to. */
			readonly hedgeAfter?: Seconds;
			/** Of a hedge: what decided for it. */
			readonly hedge?: HedgeTerms;
	  }
	/** No hedge: go on waiting. `again`: it may be worth one after so many seconds more. */
	| {
			readonly kind: "unhedged";
			readonly reason: HedgeRefusal;
			readonly again: Seconds | null;
			readonly terms: HedgeTerms | null;
	  }
	/** A pool of another region group is expected to be better: ask that group's scheduler. `only`: no pool of one's own will do,
	 *  now or later. */
	| { readonly kind: "elsewhere"; readonly group: string; readonly only: boolean }
	/** Every candidate is full: stand in the waiting room and ask for the turn with `waitTurn(reservation)`. */
	| { readonly kind: "queued"; readonly position: number; readonly expectedWait: Seconds }
	| { readonly kind: "refused"; readonly error: IsobarError; readonly explanation: Explanation };

/** Why a request is not sent a second time: the scheduler does not know it (any more); no other provider can take it now; it would
 *  cost more than it is expected to gain; as many have been as may be. */
export type HedgeRefusal = "unknown" | "no_candidate" | "not_worth" | "budget";

/** The pool began to answer: its first content, reasoning or tool delta came. */
export interface FirstToken {
	readonly reservation: string;
	readonly ttft: Seconds;
	/** Seconds until the response headers came, when the pool sends them before the first token (streams). */
	readonly headers: Seconds | null;
	/** What the answer said of the replica's warmth, where its pool scales to zero. Then `Ended` does not say it again. */
	readonly warmth?: WarmthSignal;
}

export type Outcome = "ok" | "failed" | "refused" | "client_gone" | "cut";

/** A reservation ends. */
export interface Ended {
	readonly reservation: string;
	/** Where it ran, when the fallback had sent it there; absent when the scheduler had. */
	readonly replica?: ReplicaName;
	readonly outcome: Outcome;
	/** How the replica failed: moves its health. Absent when it did not. */
	readonly failure?: "connect" | "timeout" | "status" | "garbage" | "cut" | "busy";
	/** The replica's own Retry-After. */
	readonly retryAfter?: Seconds;
	/** Null where nothing came. */
	readonly ttft: Seconds | null;
	readonly seconds: Seconds;
	/** As the pool reported them; null where it did not. */
	readonly promptTokens: Tokens | null;
	readonly cachedTokens: Tokens | null;
	readonly outputTokens: Tokens | null;
	/** What the answer said of the replica's warmth, where its pool scales to zero. */
	readonly warmth?: WarmthSignal;
}

/** A request that is still in flight; rebuilds the reservation if the object was evicted since. */
export interface Renewal {
	readonly reservation: string;
	readonly replica: ReplicaName;
	readonly tenant: string;
	readonly key: string;
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	readonly started: boolean;
	/** Seconds that it has been in flight. */
	readonly age: Seconds;
}

/** What an isolate sends in one batch: alone, or on the back of its next `assign`. */
export interface SchedulerMail {
	readonly first: readonly FirstToken[];
	readonly ended: readonly Ended[];
	readonly renewals: readonly Renewal[];
}

/** The attributed share of GPU time that a request pays, for pools priced by time. Not in dollars: the price is that of the
 *  catalog by which the request was admitted, which this scheduler may no longer have, or not yet. */
export interface Bill {
	readonly reservation: string;
	readonly seconds: Seconds;
	/** Of these, what fell into a start that the request waited for. Absent: nothing. */
	readonly startSeconds?: Seconds;
}

/** A scheduler object, as an isolate calls it. */
export interface SchedulerPort {
	/** Chooses and reserves for each request in turn, all of one model; `mail` is what the isolate had to tell anyway. The replies are
	 *  in the order of the requests; null where choosing threw, which is a bug. */
	assign(
		requests: readonly AssignRequest[],
		mail: SchedulerMail,
	): Promise<{ readonly replies: readonly (AssignReply | null)[]; readonly bills: readonly Bill[] }>;
	mail(mail: SchedulerMail): Promise<readonly Bill[]>;
	/** Waits until a queued request has its answer: at the latest when its waiting time is over. Null when the object does not
	 *  know of it (it was evicted since): ask anew. */
	waitTurn(reservation: string): Promise<AssignReply | null>;
	/** The client is gone: its place in the waiting room, or what it was given there, is free again. */
	leave(reservation: string): Promise<void>;
	/** What another scheduler of the same model has in flight. One of another region group hears in turn how this one stands,
	 *  which may have nothing in flight and tell nobody; null for a sibling. */
	share(model: string, catalogVersion: number, summary: PeerSummary): Promise<PeerSummary | null>;
	/** How its replicas stand, for routers, which rank models by that. `edge`: where the caller runs. */
	outlook(model: string, catalogVersion: number, edge: string): Promise<Outlook>;
	/** For operators. `catalogVersion` as in an AssignRequest: an object that just started reads the catalog first. */
	status(model: string, catalogVersion: number): Promise<FleetStatus>;
}

/** What a scheduler publishes: what a decision of its own would rest on, but for the prefix caches. */
export interface Outlook {
	readonly summary: PeerSummary;
	readonly bytesPerToken: number;
	/** How long the model's answers are. */
	readonly outputLength: LengthBelief;
	/** By pool, from the caller's edge. */
	readonly roundTrips: Readonly<Record<string, Seconds>>;
}

/** Sums are over the answers since this scheduler started that told how much they hit. */
export interface PrefixCacheStatus {
	readonly blocks: number;
	readonly blocks_max: number;
	readonly answers: number;
	readonly prompt_tokens: Tokens;
	/** Held by some replica when the request came: what a choice for the cache alone would have hit. */
	readonly possible_tokens: Tokens;
	/** Held by this one, as was believed. */
	readonly predicted_tokens: Tokens;
	/** Hit, as it reported. */
	readonly actual_tokens: Tokens;
	/** Answers that did not tell. */
	readonly unreported: number;
}

/** What an operator may want to see of one scheduler. */
export interface FleetStatus {
	readonly in_flight: number;
	readonly waiting: number;
	readonly replicas: readonly ReplicaStatus[];
	/** What was done of its own accord since this scheduler started: the last of it, oldest first. */
	readonly acts: readonly Act[];
}

/** How warm a replica of a pool that scales to zero is believed to be. */
export interface WarmthStatus {
	readonly state: WarmthState;
	/** P(a request that comes now has to wait for a start). */
	readonly p_cold: number;
	/** What was last seen of it: by what evidence, and seconds ago. Null: nothing yet. */
	readonly source: string | null;
	readonly age_seconds: Seconds | null;
	/** E[seconds until it can serve], if it is cold; of one that is waking, what is left. */
	readonly cold_seconds: Seconds;
	/** Seconds without a request until it scales to zero; null: it does not by itself. */
	readonly idle_seconds: Seconds | null;
	/** What going elsewhere has cost since it went cold, net of what keeping it warm would have cost. */
	readonly regret_usd: Usd;
}

export interface ReplicaStatus {
	readonly replica: ReplicaName;
	readonly health: string;
	readonly in_flight: number;
	readonly pending_tokens: Tokens;
	readonly prefill_tokens_per_second: number;
	readonly overhead_seconds: Seconds;
	readonly seconds_per_output_token: Seconds;
	/** What its prefix cache is believed to hold, and how that belief fared; null where it has no place in the index. */
	readonly prefix_cache: PrefixCacheStatus | null;
	/** Null for pools that are always there. */
	readonly warmth: WarmthStatus | null;
	/** Seconds with at least one request in flight, and what they cost, for pools priced by time. All of it was billed to
	 *  requests; a reserved GPU's other seconds are the operator's. */
	readonly busy_seconds: Seconds | null;
	readonly busy_usd: Usd | null;
}
