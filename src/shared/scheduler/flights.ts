import { onFailure, onSuccess } from "../admission/health.ts";
import { expectedTpot, expectedTtft, observeTpot, observeTtft, rates } from "../perf/replica-model.ts";
import type { Seconds, Tokens } from "../units.ts";
import { LIKELY_COLD } from "../warmth/replica-warmth.ts";
import type { Estimators } from "./estimators.ts";
import type { ReplicaState } from "./fleet.ts";
import type { AssignRequest, Bill, Ended, RankedReplica } from "./messages.ts";
import type { PrefixFlight } from "./prefixes.ts";
import type { WarmthFlight } from "./warmths.ts";

/** Without what only the decision needed: half a megabyte for a prompt of 131,072 tokens. */
export type FlightRequest = Omit<AssignRequest, "prefix" | "tokenChains">;

/** What the scheduler remembers of an assignment until it ends, to learn from how it went. */
export interface Flight {
	readonly request: FlightRequest;
	readonly replica: ReplicaState;
	readonly assignedAt: Seconds;
	readonly promptTokens: Tokens;
	readonly outputTokens: Tokens;
	/** Prompt tokens that were pending on the replica when this one came. */
	readonly pendingTokens: Tokens;
	/** The replica as it was ranked. */
	readonly chosen: RankedReplica;
	/** Requests in flight there, this one included. */
	readonly running: number;
	readonly roundTrip: Seconds;
	/** Prompt tokens that were expected in the replica's prefix cache. */
	readonly cachedTokens: Tokens;
	/** Seconds that it was expected to wait for room in the KV cache. */
	readonly roomSeconds: Seconds;
	/** Null where the request came without a prefix. */
	readonly prefix: PrefixFlight | null;
	/** Seconds to the response headers, when they came before the first token. */
	headers: Seconds | null;
	/** Null where the replica is always there. */
	readonly warmth: WarmthFlight | null;
	/** Of its share of GPU time, what fell into a start that it waited for. */
	startSeconds: Seconds;
}

/** The request as it is kept while it is in flight. Its blocks are the `prefix` of the flight. */
export function flightRequest(request: AssignRequest): FlightRequest {
	// Most have none, and need no copy.
	if (!request.tokenChains) return request;
	const { tokenChains: _chains, ...kept } = request;
	return kept;
}

/** Moves the replica's health by how a request ended that was sent there. What the client did says nothing about it. */
export function judge(replica: ReplicaState, sentAt: Seconds, ended: Ended, now: Seconds, jitter: number): void {
	if (ended.failure) {
		const retryAfter = ended.retryAfter;
		replica.health = onFailure(replica.health, ended.failure, now, {
			sentAt,
			jitter,
			...(retryAfter !== undefined && { retryAfter }),
		});
	} else if (ended.outcome === "ok") {
		replica.health = onSuccess(replica.health, now, { sentAt });
	}
}

/** Learns the replica's rates and the request's sizes from a whole answer. Of retried requests, whose clock ran
 *  elsewhere too, and of those that had to wait for a start only the sizes. */
export function learn(flight: Flight, ended: Ended, running: number, estimators: Estimators, now: Seconds): void {
	const { request, replica } = flight;
	if (ended.outcome !== "ok") return;
	const model = replica.entry.pool.model.id;
	const output = ended.outputTokens;
	if (ended.promptTokens !== null) estimators.bytesPerToken.observe(model, request.promptBytes, ended.promptTokens);
	if (output !== null && request.outputTokensMax > 0) {
		estimators.outputLengths.observe(model, request.key, output, output >= request.outputTokensMax);
	}
	if (request.retry || flight.warmth?.cold) return;
	if (flight.headers !== null) estimators.roundTrips.observe(request.edge, replica.entry.pool.id, flight.headers, now);

	const promptTokens = ended.promptTokens ?? flight.promptTokens;
	// A pool that does not report is believed to have hit what was expected: absent is not zero.
	const uncachedTokens = Math.max(0, promptTokens - (ended.cachedTokens ?? flight.cachedTokens));
	// A wait for memory is not the prefill's.
	if (flight.roomSeconds > 0) return;
	const { pendingTokens, roundTrip } = flight;
	const batch = (flight.running + running) / 2;
	if (ended.ttft !== null) {
		observeTtft(replica.model, { pendingTokens, uncachedTokens, roundTrip, ttft: ended.ttft }, now);
		const decodeSeconds = ended.seconds - ended.ttft;
		if (output !== null) observeTpot(replica.model, { running: batch, outputTokens: output, decodeSeconds }, now);
		return;
	}
	// A plain answer tells only its whole time: it is divided as it was expected to divide.
	const learned = rates(replica.model, now);
	const ttft = expectedTtft(learned, { pending: pendingTokens, uncached: uncachedTokens });
	const decode = Math.max(0, (output ?? 0) - 1) * expectedTpot(learned, batch);
	if (ttft + decode <= 0) return;
	const scale = Math.max(0, ended.seconds - roundTrip) / (ttft + decode);
	observeTtft(replica.model, { pendingTokens, uncachedTokens, roundTrip, ttft: roundTrip + ttft * scale }, now);
	if (output !== null)
		observeTpot(replica.model, { running: batch, outputTokens: output, decodeSeconds: decode * scale }, now);
}

/** It is known now whether the request waited for a start: of its share so far the start has as much as of its time so far. Told
 *  soon after the first token, that is what fell into the start; of a plain answer, whose end alone is known, an estimate. */
export function noteStart(flight: Flight, reservation: string, now: Seconds): void {
	const { warmth, replica, assignedAt } = flight;
	const elapsed = now - assignedAt;
	if (!warmth?.cold || !(elapsed > 0) || flight.startSeconds > 0) return;
	flight.startSeconds = (replica.meter?.share(reservation, now) ?? 0) * Math.min(1, warmth.waited / elapsed);
}

/** The flight's share of GPU time; undefined for pools that were never priced by time. */
export function billOf(replica: ReplicaState, reservation: string, now: Seconds, flight: Flight): Bill | undefined {
	const { meter } = replica;
	if (!meter) return undefined;
	const seconds = meter.end(reservation, now);
	const startSeconds = Math.min(seconds, flight.startSeconds || seconds * unansweredStart(flight, now));
	return { reservation, seconds, ...(startSeconds > 0 && { startSeconds }) };
}

/** Of a request that is over without an answer, most likely while it waited for a start: what share of its time was the start.
 *  All of it where a token would have told; of a plain answer what was expected. Zero of all others. */
function unansweredStart({ warmth, request, assignedAt }: Flight, now: Seconds): number {
	if (!warmth || warmth.cold !== null || warmth.start.probability < LIKELY_COLD) return 0;
	return request.stream ? 1 : Math.min(1, warmth.start.seconds / (now - assignedAt));
}

/** The same of one of which only renewals have told, the first of them at `since`. */
export function rebuiltBillOf(
	{ meter }: ReplicaState,
	reservation: string,
	now: Seconds,
	since?: Seconds,
): Bill | undefined {
	return meter ? { reservation, seconds: meter.end(reservation, now, since) } : undefined;
}
