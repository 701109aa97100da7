import { Recent } from "../admission/recent.ts";
import { ENDED_MAX, ENDED_SECONDS, ReservationBook, type Load, type Reservation } from "../admission/reservations.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";
import { isobarError } from "../http/errors.ts";
import { rates, snapshotReplicaModel } from "../perf/replica-model.ts";
import type { Settings } from "../settings.ts";
import type { Seconds } from "../units.ts";
import type { HedgeTerms } from "../warmth/hedge.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import { freeReplicas } from "./candidates.ts";
import { decide, roomSeconds, type Decision } from "./decide.ts";
import { Fleet, type ReplicaState } from "./fleet.ts";
import { billOf, flightRequest, judge, learn, noteStart, rebuiltBillOf, type Flight } from "./flights.ts";
import { createEstimators, type Estimators } from "./estimators.ts";
import type { LearnedReplica, LearnedState } from "./learned.ts";
import type { AssignReply, AssignRequest, Bill, Ended, Renewal, ReplicaName, SchedulerMail } from "./messages.ts";
import { Abroad } from "./abroad.ts";
import { PEER_SECONDS, Peers, plusLoad, type PeerSummary } from "./peers.ts";
import { Hedging, providerOf, unhedged } from "./hedging.ts";
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
	readonly #flights = new Map<string, Flight & { readonly reply: AssignReply }>();
	readonly #siblings = new Peers();
	readonly #abroad = new Abroad();
	/** Of what ended: whoever did not get the answer asks again. */
	readonly #bills = new Recent<Bill>(ENDED_SECONDS, ENDED_MAX);
	/** Who waits and was counted as demand when he came. */
	readonly #counted = new WeakSet<AssignRequest>();
	#model: CatalogModel | undefined;

	constructor(options: SchedulerOptions) {
		this.#options = options;
		this.estimators = createEstimators(options.learned);
		this.prefixes = new Prefixes(options.settings.prefixIndexMegabytes * 2 ** 20, options.engines);
		this.#hedging = new Hedging(options.settings.hedgeShareMax);
		const { fleet } = this;
		const { rng, onTurn } = options;
		const { waitingRoomMax: max, waitingRoomTenantMax: tenantMax } = options.settings;
		this.#waiting = new Waiting({ fleet, max, tenantMax, rng, onTurn });
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
		if (decision.ranked.length > 0 && group === undefined) return this.#place(request, decision, circumstances, 0, now);
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
		this.warmths.look(({ entry }) => this.load(entry.name, now), this.#onCold, now);
	}

	/** What isolates tell: first tokens, ends, renewals. Takes duplicates, late and unknown ones; an end that is told again
	 *  gets the same bill again. */
	mail(mail: SchedulerMail, now: Seconds): Bill[] {
		const bills: Bill[] = [];
		for (const { reservation, headers, ttft, warmth } of mail.first) {
			this.#book.started(reservation);
			const flight = this.#flights.get(reservation);
			if (!flight) continue;
			flight.headers = headers;
			if (!this.warmths.answered(flight, reservation, ttft, "first", warmth, this.#onCold, now) && warmth)
				this.warmths.observe(flight.replica, warmth, now);
			noteStart(flight, reservation, now);
		}
		for (const renewal of mail.renewals) this.#renew(renewal, now);
		for (const ended of mail.ended) {
			const { reservation } = ended;
			if (!this.#book.hasEnded(reservation)) {
				const bill = this.#end(ended, now);
				if (bill) this.#bills.set(reservation, bill, now);
			}
			const bill = this.#bills.get(reservation);
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
		const flight = this.#flights.get(reservation);
		if (flight) {
			this.#forget(reservation, flight.replica, now);
			if (flight.prefix) this.prefixes.dropped(flight.prefix);
		}
		this.tick(now);
	}

	/** What has become due: reservations that were not renewed end, waits that were too long are answered, free places are given
	 *  away. */
	tick(now: Seconds): void {
		for (const { id, replica } of this.#book.expire(now)) {
			// Not ended in the book: a renewal that comes after all brings it back.
			const prefix = this.#flights.get(id)?.prefix;
			if (prefix) this.prefixes.dropped(prefix);
			this.#ground(id, undefined, now);
			this.fleet.get(replica)?.meter?.end(id, now);
		}
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
				return (waited) => this.#place(request, decision, circumstances, waited, now);
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
		return this.#place(request, { ...decision, ranked: [ranked] }, circumstances, 0, now, terms);
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

	#place(
		request: AssignRequest,
		decision: Decision,
		circumstances: Placing,
		waited: Seconds,
		now: Seconds,
		hedge?: HedgeTerms,
	): AssignReply {
		const { reservation: id, tenant, key } = request;
		const chosen = decision.ranked[0]!;
		const replica = this.fleet.get(chosen.replica)!;
		const { promptTokens, outputTokens } = circumstances;
		const before = this.load(chosen.replica, now);
		const { pendingTokens } = before;
		const running = before.inFlight + 1;
		const cachedTokens = chosen.expectedCachedTokens ?? 0;
		const uncachedTokens = promptTokens - cachedTokens;
		const learned = rates(replica.model, now);
		const room = roomSeconds(replica.roomTokens, before, uncachedTokens + outputTokens, learned);
		// A streamed answer says when it has begun; if that word is lost, it is taken as begun some time later.
		const expectedStart = request.stream ? now + 10 + 4 * chosen.expectedTtft : now + chosen.expectedTtft;
		const reserved = this.#book.reserve({
			id,
			replica: chosen.replica,
			tenant,
			key,
			promptTokens,
			uncachedTokens,
			prefix: this.prefixes.sharedBeginning(replica, request, circumstances.look),
			outputTokens,
			expectedStart,
			now,
			seconds: this.#options.settings.reservationSeconds,
		});
		// The caller has gone on without this answer, and its request is over already.
		if (reserved === "ended") return refused(isobarError("internal", "The request has ended."));
		replica.meter?.begin(id, promptTokens + outputTokens, now);
		replica.utilisation.add(uncachedTokens / learned.prefillTokensPerSecond, now);
		if (request.retry) replica.retryBudget.withdraw(now);
		else if (!hedge) replica.retryBudget.deposit(now);

		const { ranked, explanation, cold, score } = decision;
		if (!request.retry && !hedge && this.warmths.any)
			this.keeping.plan.asked({ at: now, otherwise: decision.otherwise, options: decision.options });
		// A hedge is no further demand, and who waited was counted when he came.
		if (!request.retry && !hedge) {
			if (waited === 0) countDemand(this.warmths, replica, score, cold, now);
			else if (!this.#counted.has(request)) replica.warmth?.demand.arrived(now);
		}
		if (!hedge && cold.length > 0 && cold.every((each) => each.replica !== replica))
			this.warmths.spilled(cold, score, now);
		const warmth = replica.warmth && this.warmths.sent(replica, id, chosen, learned.ttftSigma, now);
		const hedgeAfter = this.#hedging.sent(request, this.fleet, { replica, warmth, chosen }, now);
		const reply: AssignReply = {
			kind: "assigned",
			ranked,
			promptTokens,
			outputTokens,
			waited,
			explanation,
			...(hedgeAfter !== undefined && { hedgeAfter }),
			...(hedge && { hedge }),
		};
		const roundTrip = circumstances.roundTrip(replica);
		this.#flights.set(id, {
			request: flightRequest(request),
			replica,
			assignedAt: now,
			promptTokens,
			outputTokens,
			pendingTokens,
			running,
			roundTrip,
			cachedTokens,
			roomSeconds: room,
			prefix: this.prefixes.sent(replica, request, circumstances.look),
			headers: null,
			warmth,
			chosen,
			startSeconds: 0,
			reply,
		});
		return reply;
	}

	#renew(renewal: Renewal, now: Seconds): void {
		const replica = this.fleet.get(renewal.replica);
		if (!replica) return;
		const { reservation } = renewal;
		this.#waiting.leave(reservation, now);
		const flight = this.#flights.get(reservation);
		if (flight && flight.replica !== replica) {
			// The fallback had sent it elsewhere than was decided here too late.
			flight.replica.meter?.end(reservation, now);
			this.#ground(reservation, undefined, now);
			this.#moved(flight, replica);
		}
		const outcome = this.#book.renew(renewal, now, this.#options.settings.reservationSeconds);
		if (outcome === "rebuilt") replica.meter?.begin(reservation, renewal.promptTokens + renewal.outputTokens, now);
	}

	#end(ended: Ended, now: Seconds): Bill | undefined {
		const { reservation } = ended;
		const booked = this.#book.end(reservation, now);
		const flight = this.#ground(reservation, ended, now);
		const ranAt = this.fleet.get(ended.replica ?? flight?.replica.entry.name ?? booked?.replica ?? "");
		if (ended.warmth && ranAt && (!flight?.warmth || ended.replica !== undefined))
			this.warmths.observe(ranAt, ended.warmth, now);
		if (ended.replica !== undefined) return this.#endElsewhere(ended, ended.replica, booked, flight, now);
		const replica = flight?.replica ?? (booked && this.fleet.get(booked.replica));
		if (!replica) return undefined;
		if (flight) {
			judge(replica, flight.assignedAt, ended, now, this.#options.rng());
			const { prefix, request, promptTokens } = flight;
			const seen = { ...ended, cachedTokens: this.prefixes.noteAnswer(replica, request, ended, now) };
			const ratio = this.estimators.bytesPerToken.ratio(replica.entry.pool.model.id);
			if (prefix) this.prefixes.ended(prefix, seen, promptTokens, request, ratio);
			learn(flight, seen, this.#book.load(replica.entry.name, now).inFlight + 1, this.estimators, now);
			this.#waiting.ended(now - flight.assignedAt);
		}
		return flight
			? billOf(replica, reservation, now, flight)
			: rebuiltBillOf(replica, reservation, now, booked?.reservedAt);
	}

	/** Ends a request that the fallback had sent to `name`, whatever was decided for it here meanwhile. It tells of that
	 *  replica's health; nothing is learned from it, because what stood before it there is not known. */
	#endElsewhere(
		ended: Ended,
		name: ReplicaName,
		booked: Reservation | undefined,
		flight: Flight | undefined,
		now: Seconds,
	): Bill | undefined {
		const { reservation } = ended;
		this.#waiting.leave(reservation, now);
		const replica = this.fleet.get(name);
		if (flight && flight.replica !== replica) flight.replica.meter?.end(reservation, now);
		if (flight) this.#moved(flight, ended.outcome === "ok" ? replica : undefined);
		if (!replica) return undefined;
		judge(replica, now - ended.seconds, ended, now, this.#options.rng());
		// Without a booking there its share of GPU time was not measured.
		return booked?.replica === name ? rebuiltBillOf(replica, reservation, now, booked.reservedAt) : undefined;
	}

	/** The fallback had sent it elsewhere, where it is computed unless that is unknown. */
	#moved({ prefix, replica }: Flight, to: ReplicaState | undefined): void {
		if (!prefix) return;
		if (to !== replica) this.prefixes.dropped(prefix);
		if (to) this.prefixes.computed(to, prefix.chain);
	}

	/** The flight is over, or not ours to follow any longer. */
	#ground(reservation: string, ended: Ended | undefined, now: Seconds): Flight | undefined {
		const flight = this.#flights.get(reservation);
		this.#flights.delete(reservation);
		if (!flight?.warmth) return flight;
		const { replica, warmth } = flight;
		replica.warmth?.used(now);
		if (this.load(replica.entry.name, now).inFlight === 0) this.keeping.lookAgain(replica);
		const here = ended?.replica === undefined ? ended : undefined;
		if (here && warmth.cold === null && (here.ttft !== null || here.outcome === "ok")) {
			const until = here.ttft === null ? "whole" : "first";
			this.warmths.answered(flight, reservation, here.ttft ?? here.seconds, until, here.warmth, this.#onCold, now);
			noteStart(flight, reservation, now);
		} else {
			this.warmths.unanswered(replica, reservation, warmth, here, this.#onCold, now);
		}
		return flight;
	}

	/** A replica that went cold has lost what its caches held. */
	readonly #onCold = ({ entry }: ReplicaState): void => {
		this.prefixes.forget(entry.name);
	};

	/** Ends a reservation of which nothing more is known than that it is over. */
	#forget(reservation: string, replica: ReplicaState, now: Seconds): void {
		this.#book.end(reservation, now);
		this.#ground(reservation, undefined, now);
		replica.meter?.end(reservation, now);
	}
}
