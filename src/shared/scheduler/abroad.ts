import type { Load } from "../admission/reservations.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";
import { createReplicaModel } from "../perf/replica-model.ts";
import type { Seconds, Usd } from "../units.ts";
import { decide, type Circumstances, type Decision } from "./decide.ts";
import { Fleet, type ReplicaState } from "./fleet.ts";
import type { AssignRequest, ReplicaName } from "./messages.ts";
import { Warmths } from "./warmths.ts";
import { PEER_SECONDS, Peers, type PeerSummary } from "./peers.ts";

/** What it takes to ask a scheduler that is far away, on top of what its pools take. */
const HOP_SECONDS: Seconds = 0.15;

export interface Better {
	readonly group: string;
	readonly score: Usd;
}

/** Pools of other region groups, on what their schedulers publish. Their replicas hold no prefix that is known here. */
export class Abroad {
	readonly #fleet = new Fleet();
	readonly #peers = new Peers();
	readonly #warmths = new Warmths();
	readonly #heardAt = new Map<ReplicaName, Seconds>();
	readonly #open = new Set<ReplicaName>();

	configure(model: CatalogModel | undefined, group: string, now: Seconds): void {
		const entries = model?.replicas.filter((replica) => replica.pool.group !== group) ?? [];
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

	/** The group whose best pool scores less than `score`, and what that scores, if there is one. Only what was heard of in the last seconds counts. */
	better(request: AssignRequest, circumstances: Circumstances, score: Usd, now: Seconds): Better | undefined {
		if (this.#peers.isSilent(now)) return undefined;
		const known = (replica: ReplicaState): boolean => {
			const { name } = replica.entry;
			return this.#open.has(name) && now - (this.#heardAt.get(name) ?? -Infinity) < PEER_SECONDS;
		};
		const unknown = this.#fleet.replicas.filter((replica) => !known(replica)).map(({ entry }) => entry.name);
		const load = (replica: ReplicaState): Load => this.#peers.load(replica.entry.name, now) ?? IDLE;
		this.#warmths.look(load, () => {}, now);
		const decision: Decision = decide(
			this.#fleet,
			{ ...request, exclude: [...request.exclude, ...unknown], retry: false },
			{
				...circumstances,
				session: undefined,
				load,
				scales: this.#warmths.any,
				start: (replica) => this.#warmths.start(replica, now),
				roundTrip: (replica) => circumstances.roundTrip(replica) + HOP_SECONDS,
				cached: () => 0,
			},
			now,
		);
		const [best] = decision.ranked;
		const group = best && decision.score < score ? this.#fleet.get(best.replica)?.entry.pool.group : undefined;
		return group === undefined ? undefined : { group, score: decision.score };
	}
}

const IDLE = { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
