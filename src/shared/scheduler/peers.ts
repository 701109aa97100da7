import type { Load } from "../admission/reservations.ts";
import type { ReplicaSnapshot } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import type { StoredWarmth } from "../warmth/replica-warmth.ts";
import type { ReplicaName } from "./messages.ts";

/** How one replica stands with a scheduler. */
export interface PeerReplica extends Load {
	readonly replica: ReplicaName;
	/** It takes requests: neither put aside nor full. */
	readonly open: boolean;
	/** What was learned of its speed; for schedulers of other groups, which see no answers of it. */
	readonly model?: ReplicaSnapshot;
	/** What was last seen of it, where its pool scales to zero; for the same. */
	readonly warmth?: StoredWarmth;
}

/** What a scheduler tells another about once a second while it has something in flight. */
export interface PeerSummary {
	/** Name of the scheduler that tells. */
	readonly from: string;
	readonly replicas: readonly PeerReplica[];
	/** Seconds of prefill that were sent to a replica each second, of late; to those too that have nothing in flight now.
	 *  Absent: no word of it. */
	readonly utilisation?: Readonly<Record<ReplicaName, number>>;
}

/** After this a peer that has fallen silent counts as one that has nothing in flight. */
export const PEER_SECONDS: Seconds = 5;

type Totals = { -readonly [field in keyof Load]: number };

interface Heard {
	readonly summary: PeerSummary;
	readonly at: Seconds;
}

/** What other schedulers of the same model have told, as of some moment within the last seconds. */
export class Peers {
	readonly #heard = new Map<string, Heard>();
	/** Summed over those who told. */
	readonly #loads = new Map<ReplicaName, Totals>();
	#nextExpiry: Seconds = Infinity;

	/** Whether anybody has told anything that still counts. */
	isSilent(now: Seconds): boolean {
		this.#expire(now);
		return this.#heard.size === 0;
	}

	hear(summary: PeerSummary, now: Seconds): void {
		this.#heard.set(summary.from, { summary, at: now });
		this.#expire(now);
		this.#sum();
	}

	/** What all peers together have in flight there; undefined where that is nothing. */
	load(replica: ReplicaName, now: Seconds): Load | undefined {
		this.#expire(now);
		return this.#loads.get(replica);
	}

	#expire(now: Seconds): void {
		if (now < this.#nextExpiry && this.#nextExpiry < Infinity) return;
		let expired = false;
		this.#nextExpiry = Infinity;
		for (const [from, { at }] of this.#heard) {
			if (now - at >= PEER_SECONDS) {
				this.#heard.delete(from);
				expired = true;
			} else this.#nextExpiry = Math.min(this.#nextExpiry, at + PEER_SECONDS);
		}
		if (expired) this.#sum();
	}

	#sum(): void {
		this.#loads.clear();
		for (const { summary } of this.#heard.values()) {
			for (const each of summary.replicas) {
				const total = this.#loads.get(each.replica);
				this.#loads.set(each.replica, total ? added(total, each) : added(nothing(), each));
			}
		}
	}
}

/** The two together. */
export function plusLoad(own: Load, others: Load | undefined): Load {
	return others ? added(added(nothing(), own), others) : own;
}

function nothing(): Totals {
	return { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
}

function added(total: Totals, more: Load): Totals {
	total.inFlight += more.inFlight;
	total.pendingTokens += more.pendingTokens;
	total.decoding += more.decoding;
	total.heldTokens += more.heldTokens;
	total.residentTokens += more.residentTokens;
	total.outputTokens += more.outputTokens;
	return total;
}
