import type { Load } from "../admission/reservations.ts";
import type { CatalogReplica } from "../catalog/snapshot.ts";
import { createReplicaModel } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import { decide, type Circumstances, type Decision } from "./decide.ts";
import { Fleet, type ReplicaState } from "./fleet.ts";
import type { AssignRequest, ReplicaName } from "./messages.ts";
import { PEER_SECONDS, Peers, type PeerSummary } from "./peers.ts";
import { Warmths } from "./warmths.ts";

/** What is known of a request where only what schedulers publish is known of the replicas. */
export type PublishedCircumstances = Pick<
	Circumstances,
	"promptTokens" | "outputTokens" | "session" | "roundTrip" | "cached"
>;

/** Replicas as their schedulers publish them, seen from elsewhere: learned rates and warmth last, load and whether one takes
 *  requests hold for some seconds. */
export class Published {
	readonly #fleet = new Fleet();
	readonly #peers = new Peers();
	readonly #warmths = new Warmths();
	readonly #heardAt = new Map<ReplicaName, Seconds>();
	readonly #open = new Set<ReplicaName>();

	configure(entries: readonly CatalogReplica[], now: Seconds): void {
		this.#fleet.configure(entries, 0, undefined, now);
		this.#warmths.configure(this.#fleet, undefined);
	}

	hear(summary: PeerSummary, now: Seconds): void {
		this.#peers.hear(summary, now);
		for (const { replica: name, open, model, warmth } of summary.replicas) {
			const replica = this.#fleet.get(name);
			if (!replica) continue;
			if (model) replica.model = createReplicaModel(replica.model.prior, model);
			if (warmth) this.#warmths.hear(replica, warmth);
			this.#heardAt.set(name, now);
			if (open) this.#open.add(name);
			else this.#open.delete(name);
		}
		this.#fleet.hear(summary, now);
	}

	/** Whether nobody has told anything of late. */
	isSilent(now: Seconds): boolean {
		return this.#peers.isSilent(now);
	}

	get(name: ReplicaName): ReplicaState | undefined {
		return this.#fleet.get(name);
	}

	/** Names of the replicas that take no requests, as was told of late. `unheard`: and those of which nothing was. */
	shut(now: Seconds, { unheard }: { readonly unheard: boolean }): ReplicaName[] {
		return this.#fleet.names.filter((name) => {
			const isHeard = now - (this.#heardAt.get(name) ?? -Infinity) < PEER_SECONDS;
			return isHeard ? !this.#open.has(name) : unheard;
		});
	}

	/** The decision that the schedulers would make if they knew no more, without the replicas `exclude`. */
	decide(
		request: AssignRequest,
		circumstances: PublishedCircumstances,
		exclude: readonly ReplicaName[],
		now: Seconds,
	): Decision {
		const load = (replica: ReplicaState): Load => this.#peers.load(replica.entry.name, now) ?? IDLE;
		this.#warmths.look(load, () => {}, now);
		return decide(
			this.#fleet,
			{ ...request, exclude: [...request.exclude, ...exclude], retry: false },
			{
				...circumstances,
				load,
				scales: this.#warmths.any,
				start: (replica) => this.#warmths.start(replica, now),
			},
			now,
		);
	}
}

const IDLE = { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
