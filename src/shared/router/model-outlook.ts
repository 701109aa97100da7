import type { CatalogModel } from "../catalog/snapshot.ts";
import { expectedLength, type LengthBelief } from "../perf/length-belief.ts";
import { LENGTH_PRIOR } from "../perf/output-length.ts";
import type { Decision } from "../scheduler/decide.ts";
import type { ReplicaState } from "../scheduler/fleet.ts";
import type { AssignRequest, Outlook, ReplicaName } from "../scheduler/messages.ts";
import { Published, type PublishedCircumstances } from "../scheduler/published.ts";
import type { Seconds, Tokens } from "../units.ts";

const BYTES_PER_TOKEN = 4;
/** Answers of a model after which its own lengths count as much as what the weights expect of the prompt. */
const LENGTH_ANSWERS = 20;

/** What a conversation has left in a replica's cache. */
export interface Held {
	readonly replica: ReplicaName;
	readonly tokens: Tokens;
}

export interface Expected {
	readonly decision: Decision;
	/** No replica takes requests, as was told of late: the decision is made as if nothing was known of them. */
	readonly busy: boolean;
	readonly outputTokens: Tokens;
}

/** How a model's pools stand, as its schedulers publish it; by the catalog alone until they have. */
export class ModelOutlook {
	readonly #published = new Published();
	/** Of which nothing is ever heard. */
	readonly #prior = new Published();
	readonly #roundTrips = new Map<string, Seconds>();
	#model: CatalogModel | undefined;
	#outputLength: LengthBelief = LENGTH_PRIOR;
	#bytesPerToken = BYTES_PER_TOKEN;

	get bytesPerToken(): number {
		return this.#bytesPerToken;
	}

	configure(model: CatalogModel, now: Seconds): void {
		if (model === this.#model) return;
		this.#model = model;
		this.#published.configure(model.replicas, now);
		this.#prior.configure(model.replicas, now);
	}

	hear({ summary, bytesPerToken, outputLength, roundTrips }: Outlook, now: Seconds): void {
		this.#published.hear(summary, now);
		this.#bytesPerToken = bytesPerToken;
		this.#outputLength = outputLength;
		for (const [pool, seconds] of Object.entries(roundTrips)) this.#roundTrips.set(pool, seconds);
	}

	/** E[output tokens] of a request that may have `max`. `fromCard`: what the weights expect of this prompt; NaN where they do not
	 *  tell. */
	outputTokens(max: Tokens, fromCard: Tokens): Tokens {
		const own = expectedLength(this.#outputLength, max);
		const { count } = this.#outputLength;
		const weight = Number.isFinite(fromCard) ? count / (count + LENGTH_ANSWERS) : 1;
		const mixed = weight === 1 ? own : weight * own + (1 - weight) * fromCard;
		return Math.min(max, Math.max(1, mixed));
	}

	/** What the schedulers would decide, as far as is known here. `held`: where the conversation's prefix is. */
	expect(request: AssignRequest, fromCard: Tokens, held: Held | null, now: Seconds): Expected {
		const prompt = Math.max(1, Math.min(Math.ceil(request.promptBytes / this.#bytesPerToken), request.promptTokensMax));
		const outputTokens = this.outputTokens(request.outputTokensMax, fromCard);
		const circumstances: PublishedCircumstances = {
			promptTokens: prompt,
			outputTokens,
			session: undefined,
			roundTrip: (replica) => this.#roundTrip(replica),
			cached: ({ entry }) => (entry.name === held?.replica ? Math.min(held.tokens, prompt - 1) : 0),
		};
		const shut = this.#published.shut(now, { unheard: false });
		const decision = this.#published.decide(request, circumstances, shut, now);
		const isDear = (decision.rejections.get("price_ceiling") ?? 0) > 0;
		if (decision.ranked.length > 0 || isDear) return { decision, busy: false, outputTokens };
		return { decision: this.#prior.decide(request, circumstances, [], now), busy: true, outputTokens };
	}

	#roundTrip({ entry: { pool } }: ReplicaState): Seconds {
		return this.#roundTrips.get(pool.id) ?? pool.pool.place.round_trip_ms / 1_000;
	}
}
