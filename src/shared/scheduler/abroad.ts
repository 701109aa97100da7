import type { CatalogModel } from "../catalog/snapshot.ts";
import type { Seconds, Usd } from "../units.ts";
import type { Circumstances } from "./decide.ts";
import type { AssignRequest } from "./messages.ts";
import type { PeerSummary } from "./peers.ts";
import { Published } from "./published.ts";

/** What it takes to ask a scheduler that is far away, on top of what its pools take. */
const HOP_SECONDS: Seconds = 0.15;

export interface Better {
	readonly group: string;
	readonly score: Usd;
}

/** Pools of other region groups, on what their schedulers publish. Their replicas hold no prefix that is known here. */
export class Abroad {
	readonly #published = new Published();

	configure(model: CatalogModel | undefined, group: string, now: Seconds): void {
		this.#published.configure(model?.replicas.filter((replica) => replica.pool.group !== group) ?? [], now);
	}

	hear(summary: PeerSummary, now: Seconds): void {
		this.#published.hear(summary, now);
	}

	/** The group whose best pool scores less than `score`, and what that scores, if there is one. Only what was heard of in the last seconds counts. */
	better(request: AssignRequest, circumstances: Circumstances, score: Usd, now: Seconds): Better | undefined {
		const published = this.#published;
		if (published.isSilent(now)) return undefined;
		const decision = published.decide(
			request,
			{
				...circumstances,
				session: undefined,
				roundTrip: (replica) => circumstances.roundTrip(replica) + HOP_SECONDS,
				cached: () => 0,
			},
			published.shut(now, { unheard: true }),
			now,
		);
		const [best] = decision.ranked;
		const group = best && decision.score < score ? published.get(best.replica)?.entry.pool.group : undefined;
		return group === undefined ? undefined : { group, score: decision.score };
	}
}
