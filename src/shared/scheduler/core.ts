import { ReservationBook, type Load } from "../admission/reservations.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";
import { isobarError } from "../http/errors.ts";
import { snapshotReplicaModel } from "../perf/replica-model.ts";
import type { Settings } from "../settings.ts";
import type { Seconds } from "../units.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import { freeReplicas } from "./candidates.ts";
import { decide, type Decision } from "./decide.ts";
import { Fleet, type ReplicaState } from "./fleet.ts";
import { createEstimators, type Estimators } from "./estimators.ts";
import type { LearnedReplica, LearnedState } from "./learned.ts";
import type { AssignReply, AssignRequest, Bill, ReplicaName, SchedulerMail } from "./messages.ts";
import { Abroad } from "./abroad.ts";
import { PEER_SECONDS, Peers, plusLoad, type PeerSummary } from "./peers.ts";
import { Hedging, providerOf, unhedged } from "./hedging.ts";
import { InFlight } from "./in-flight.ts";
import type { Assigned, Parts } from "./parts.ts";
import { place } from "./place.ts";
import { placingOf, type Placing } from "./placing.ts";
import { Prefixes, type EngineTellings } from "./prefixes.ts";
import { refusalOf, refused } from "./refusals.ts";
import { summaryOf } from "./summary.ts";
import { Waiting } from "./waiting.ts";
import { countDemand } from "./demand-count.ts";
import { Keeping } from "./keeping.ts";
import { Wakes } from "./wakes.ts";
import { Warmths } from "./warmths.ts";

export type SchedulerSettings = Pick<
	Settings,
	| "reservationSeconds"
	| "waitingRoomMax"
	| "waitingRoomTenantMax"
	| "retryShareMax"
	| "prefixIndexMegabytes"
	| "hedgeShareMax"
>;

export interface SchedulerOptions {
	readonly settings: SchedulerSettings;
	/** In [0, 1). */
	readonly rng: () => number;
	/** What an earlier life of this scheduler has learned. */
	readonly learned?: LearnedState;
	/** What engines tell of their caches. Absent: nothing. */
	readonly engines?: EngineTellings;
	/** A request that stood in the waiting room has its answer. */
	readonly onTurn: (reservation: string, reply: AssignReply) => void;
}

/** The decisions of one scheduler object, for one base model: which replica, who waits, what was learned. No I/O and no clock,
 *  so that the replay of a trace runs this very code. */
export class SchedulerCore {
	readonly fleet = new Fleet();
	readonly estimators: Estimators;
	/** Which replica holds which prefixes. */
	readonly prefixes: Prefixes;
	/** Which replicas of pools that scale to zero are up. */
	readonly warmths = new Warmths();
	readonly keeping = new Keeping(this.warmths, () => this.waiting);
	readonly wakes = new Wakes(this.warmths, this.keeping);
	readonly #options: SchedulerOptions;
	readonly #book = new ReservationBook();
	readonly #waiting: Waiting;
	readonly #hedging: Hedging;
	readonly #flights = new Map<string, Assigned>();
	readonly #siblings = new Peers();
	readonly #abroad = new Abroad();
	/** Who waits and was counted as demand when he came. */
	readonly #counted = new WeakSet<AssignRequest>();
	readonly #parts: Parts;
	readonly #inFlight: InFlight;
	#model: CatalogModel | undefined;

	constructor(options: SchedulerOptions) {
		this.#options = options;
		this.estimators = createEstimators(options.learned);
		this.prefixes = new Prefixes(options.settings.prefixIndexMegabytes * 2 ** 20, options.engines);
		const hedging = new Hedging(options.settings.hedgeShareMax);
		const { fleet, estimators, prefixes, warmths, keeping } = this;
		const { rng, onTurn } = options;
		const { waitingRoomMax: max, waitingRoomTenantMax: tenantMax } = options.settings;
		const waiting = new Waiting({ fleet, max, tenantMax, rng, onTurn });
		this.#hedging = hedging;
		this.#waiting = waiting;
		this.#parts = {
			settings: options.settings,
			rng,
			fleet,
			estimators,
			prefixes,
			warmths,
			keeping,
			hedging,
			waiting,
			book: this.#book,
			flights: this.#flights,
			counted: this.#counted,
			load: (replica, now) => this.load(replica, now),
		};
		this.#inFlight = new InFlight(this.#parts);
	}

	get inFlight(): number {
		return this.#book.size;
	}

	get waiting(): number {
		return this.#waiting.size;
	}

	/** What this scheduler alone has in flight there. */
	ownLoad(replica: ReplicaName, now: Seconds): Load {
		return this.#book.load(replica, now);
	}

	/** What this scheduler and, as far as they have told, its siblings have in flight there. */
	load(replica: ReplicaName, now: Seconds): Load {
		return plusLoad(this.#book.load(replica, now), this.#siblings.load(replica, now));
	}

	/** Takes over the catalog's view of this model; undefined when the catalog no longer has it. `group`: whose pools this
	 *  scheduler has; absent, all. */
	configure(model: CatalogModel | undefined, now: Seconds, group?: string): void {
		this.#model = model;
		const own = model?.replicas.filter(({ pool }) => group === undefined || pool.group === group) ?? [];
		this.fleet.configure(own, this.#options.settings.retryShareMax, this.#options.learned, now);
		this.prefixes.configure(this.fleet, this.#options.learned, model?.model.scheduler_shards);
		this.warmths.configure(this.fleet, this.#options.learned);
		this.keeping.configure(model?.model.scheduler_shards ?? 1);
		this.lookAtWarmth(now);
		this.#waiting.regroup((request) => this.#decide(request, now).decision, now);
		if (group !== undefined) this.#abroad.configure(model, group, now);
	}

	/** Another scheduler of this model tells what it has in flight: a sibling of the same group, or one of another group. */
	hear(summary: PeerSummary, from: "sibling" | "abroad", now: Seconds): void {
		if (from === "abroad") return this.#abroad.hear(summary, now);
		this.#siblings.hear(summary, now);
		this.fleet.hear(summary, now);
		for (const { entry, meter } of this.fleet.replicas) {
			meter?.beside(this.#siblings.load(entry.name, now)?.heldTokens ?? 0, PEER_SECONDS, now);
		}
	}

	/** What to tell siblings (this scheduler's own load) or other groups (the whole load, and what was learned). */
	summary(from: string, to: "sibling" | "abroad", now: Seconds): PeerSummary {
		const load = (name: ReplicaName): Load => (to === "sibling" ? this.#book.load(name, now) : this.load(name, now));
		return summaryOf(this.fleet, { from, to, load }, now);
	}

	/** Everything learned so far, for `SchedulerOptions.learned`. */
	learned(): LearnedState {
		const { roundTrips, outputLengths, bytesPerToken } = this.estimators;
		const replicas: Record<ReplicaName, LearnedReplica> = {};
		for (const { entry, model, cache, warmth } of this.fleet.replicas) {
			replicas[entry.name] = {
				baseUrl: entry.baseUrl,
				model: snapshotReplicaModel(model),
				...(cache && { cache: cache.belief.snapshot() }),
				...(warmth && { warmth: warmth.kept() }),
			};
		}
		return {
			replicas,
			roundTrips: roundTrips.snapshot(),
			outputLengths: outputLengths.snapshot(),
			bytesPerToken: bytesPerToken.snapshot(),
			...(this.warmths.any && { warmth: this.warmths.stored() }),
		};
	}

	/** Chooses a replica and reserves it, or gives a place in the waiting room, or says why neither. Idempotent by reservation. */
	assign(request: AssignRequest, now: Seconds): AssignReply {
		this.tick(now);
		const known = this.#flights.get(request.reservation);
		if (known) return known.reply;
		const model = this.#model;
		if (!model)
			return refused(
				isobarError("model_not_found", `The scheduler knows no model ${JSON.stringify(request.model)}.`, {
					param: "model",
				}),
			);

		if (request.hedge) return this.#hedge(request, request.hedge.of, now);
		const { circumstances, decision } = this.#decide(request, now);
		const abroad = request.referred ? undefined : this.#abroad.better(request, circumstances, decision.score, now);
		const group = abroad?.group;
		// Who waits has just been given what there was for him: what is free now is of no use to anybody there.
		if (group !== undefined || decision.ranked.length > 0) this.#waiting.leave(request.reservation, now);
		if (decision.ranked.length > 0 && group === undefined)
			return place(this.#parts, request, decision, circumstances, 0, now);
		const refusal = decision.ranked.length > 0 ? undefined : refusalOf(decision, request, model, circumstances);
		if (abroad) {
			// What goes to another group goes past the cold pools of this one.
			if (!request.retry) countDemand(this.warmths, null, abroad.score, decision.cold, now);
			this.warmths.spilled(decision.cold, abroad.score, now);
			return { kind: "elsewhere", group: abroad.group, only: refusal !== undefined };
		}
		if (refusal) return { kind: "refused", error: refusal, explanation: decision.explanation };
		this.wakes.wanted(decision.cold);
		if (!request.retry && decision.cold.length > 0 && !this.#counted.has(request)) {
			countDemand(this.warmths, null, Infinity, decision.cold, now);
			this.#counted.add(request);
		}
		return this.#waiting.queue(request, decision, circumstances.promptTokens + circumstances.outputTokens, now);
	}

	/** Brings the beliefs about warmth up to `now`, as every call that decides or tells something does. */
	lookAtWarmth(now: Seconds): void {
		this.warmths.look(({ entry }) => this.load(entry.name, now), this.#inFlight.onCold, now);
	}

	/** What isolates tell: first tokens, ends, renewals. Takes duplicates, late and unknown ones; an end that is told again
	 *  gets the same bill again. */
	mail(mail: SchedulerMail, now: Seconds): Bill[] {
		const bills: Bill[] = [];
		for (const token of mail.first) this.#inFlight.began(token, now);
		for (const renewal of mail.renewals) this.#inFlight.renew(renewal, now);
		for (const ended of mail.ended) {
			const bill = this.#inFlight.ended(ended, now);
			if (bill) bills.push(bill);
		}
		this.tick(now);
		return bills;
	}

	/** A provider or an engine says how warm a replica is. What is not to be believed, is older than what is known, or is of a pool
	 *  that is always warm, changes nothing; a clock that is ahead does not make it newer than now. */
	observe(name: ReplicaName, signal: WarmthSignal, now: Seconds): void {
		const replica = this.fleet.get(name);
		// While a call lets it go or keeps it, that call's end tells.
		if (!replica || this.keeping.isCalled(replica)) return;
		if (this.warmths.believes(replica, signal, now)) this.warmths.observe(replica, signal, now);
	}

	/** The request no longer wants its place in the waiting room, or what it was given there. */
	leave(reservation: string, now: Seconds): void {
		this.#waiting.leave(reservation, now);
		this.#inFlight.left(reservation, now);
		this.tick(now);
	}

	/** What has become due: reservations that were not renewed end, waits that were too long are answered, free places are given
	 *  away. */
	tick(now: Seconds): void {
		this.#inFlight.expire(now);
		this.lookAtWarmth(now);
		this.#waiting.expire(now);
		if (this.#waiting.size === 0) {
			this.wakes.wantNothing();
			return;
		}
		const load = ({ entry }: ReplicaState): Load => this.load(entry.name, now);
		this.#waiting.giveTurns(
			() => freeReplicas(this.fleet, load, now),
			(request) => {
				const { circumstances, decision } = this.#decide(request, now);
				if (decision.ranked.length === 0) {
					this.wakes.wanted(decision.cold);
					return undefined;
				}
				return (waited) => place(this.#parts, request, decision, circumstances, waited, now);
			},
			now,
		);
	}

	/** A request of which nothing has come yet asks to be sent elsewhere too. It never waits for that. */
	#hedge(request: AssignRequest, of: string, now: Seconds): AssignReply {
		const first = this.#flights.get(of);
		if (!first) return unhedged("unknown");
		const { circumstances, decision } = this.#decide(request, now, providerOf(first.replica));
		const hedged = this.#hedging.decide(first, request, decision, now);
		if (!hedged.ok) return hedged.error;
		const { ranked, terms } = hedged.value;
		return place(this.#parts, request, { ...decision, ranked: [ranked] }, circumstances, 0, now, terms);
	}

	#decide(request: AssignRequest, now: Seconds, besides?: string): { circumstances: Placing; decision: Decision } {
		const placing = this.#circumstances(request, now);
		const circumstances = besides === undefined ? placing : { ...placing, besides };
		return { circumstances, decision: decide(this.fleet, request, circumstances, now) };
	}

	#circumstances(request: AssignRequest, now: Seconds): Placing {
		return placingOf(
			request,
			this.#model?.id ?? request.model,
			this.estimators,
			this.prefixes,
			this.warmths,
			this,
			now,
		);
	}
}
