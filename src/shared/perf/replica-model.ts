import type { Seconds, Tokens } from "../units.ts";
import { AffineFit } from "./affine.ts";
import type { Prior, Rates } from "./prior.ts";

/** What is known of one replica's speed: its prior, and two lines learned from its answers, `TTFT = c + (pending +
 *  uncached) / rate` and `TPOT = a + b * (running - 1)`. Changed in place by `observe*`. */
export interface ReplicaModel {
	readonly prior: Prior;
	readonly ttft: AffineFit;
	readonly tpot: AffineFit;
	/** Answers that were faster than the hardware can be: a sign that the catalog names the wrong GPU or model. */
	belowFloor: number;
	/** The last answer of `rates`, until something is observed. */
	recent: { readonly at: Seconds; readonly rates: LearnedRates } | null;
}

export interface LearnedRates extends Rates {
	/** Standard deviation of ln(TTFT) about `expectedTtft`, of a log-normal with that mean. */
	readonly ttftSigma: number;
}

export interface TtftObservation {
	/** Prompt tokens that stood before the request when it was sent, not yet computed. */
	readonly pendingTokens: Tokens;
	readonly uncachedTokens: Tokens;
	readonly roundTrip: Seconds;
	/** From sending to the first content, reasoning or tool delta. Leave out cold and retried requests. */
	readonly ttft: Seconds;
}

export interface TpotObservation {
	/** Sequences that ran together, this one included; a mean over its decode if that is known. */
	readonly running: number;
	/** All of the answer's. */
	readonly outputTokens: Tokens;
	/** From the first token to the last: all but one of `outputTokens` came in it. */
	readonly decodeSeconds: Seconds;
}

export interface ReplicaSnapshot {
	readonly ttft: readonly number[];
	readonly tpot: readonly number[];
	readonly belowFloor: number;
}

/** Without answers, what was learned of a replica halves in this time: long enough to span gaps in traffic, short
 *  enough that a replica ten times slower than it should be looks three times slower after a quarter of an hour and
 *  is tried again. */
export const HALF_LIFE_SECONDS = 900;

const RECENT_SECONDS: Seconds = 1;
const TTFT_NOISE = 0.4;
const TPOT_NOISE = 0.2;
/** Fewer tokens than this do not make a mean. */
const OUTPUT_TOKENS_MIN = 4;
/** What is left of a TTFT when the round trip was over-estimated. */
const TTFT_MIN_SECONDS = 0.001;

/** A replica of which nothing was learned, or `stored`, what was. That may be of another prior (the catalog has
 *  changed): then it drifts from what was learned to the new prior. A malformed one is left out. */
export function createReplicaModel(prior: Prior, stored?: ReplicaSnapshot): ReplicaModel {
	const { spread, floor } = prior;
	const common = { spread, halfLife: HALF_LIFE_SECONDS };
	const ttft = {
		...common,
		intercept: prior.overheadSeconds,
		slope: 1 / prior.prefillTokensPerSecond,
		noise: TTFT_NOISE,
		...(floor && { slopeMin: floor.prefillSecondsPerToken }),
	};
	const tpot = {
		...common,
		intercept: prior.stepSeconds,
		slope: prior.stepSecondsPerSequence,
		noise: TPOT_NOISE,
		...(floor && { interceptMin: floor.stepSeconds }),
	};
	return {
		prior,
		ttft: new AffineFit(ttft, stored?.ttft),
		tpot: new AffineFit(tpot, stored?.tpot),
		belowFloor: Math.max(0, Math.trunc(stored?.belowFloor ?? 0)) || 0,
		recent: null,
	};
}

/** Learns from a first token. What beats the floor counts as at the floor. Values that are not finite and positive
 *  are ignored (false). */
export function observeTtft(model: ReplicaModel, seen: TtftObservation, now: Seconds): boolean {
	if (!(seen.ttft > 0) || !(seen.pendingTokens >= 0) || !(seen.uncachedTokens >= 0)) return false;
	const roundTrip = seen.roundTrip > 0 ? seen.roundTrip : 0;
	const seconds = Math.max(TTFT_MIN_SECONDS, seen.ttft - roundTrip);
	// Pending tokens may have been computed in the meantime or never come; the request's own were certainly computed.
	const least = seen.uncachedTokens * (model.prior.floor?.prefillSecondsPerToken ?? 0);
	if (!model.ttft.observe(seen.pendingTokens + seen.uncachedTokens, Math.max(seconds, least), now)) return false;
	if (seconds < least) model.belowFloor++;
	model.recent = null;
	return true;
}

/** Learns from an answer's decode. Ignored (false) under four tokens or when a value is not finite and positive; what
 *  beats the floor counts as at the floor. */
export function observeTpot(model: ReplicaModel, seen: TpotObservation, now: Seconds): boolean {
	if (!(seen.outputTokens >= OUTPUT_TOKENS_MIN) || !(seen.running >= 0) || !(seen.decodeSeconds > 0)) return false;
	const tpot = seen.decodeSeconds / (seen.outputTokens - 1);
	const least = model.prior.floor?.stepSeconds ?? 0;
	if (!model.tpot.observe(Math.max(0, seen.running - 1), Math.max(tpot, least), now)) return false;
	if (tpot < least) model.belowFloor++;
	model.recent = null;
	return true;
}

/** The rates as they are believed `now`: the prior, moved by what was observed and not yet forgotten. An answer is good for
 *  a second: a thousandth of the half-life. */
export function rates(model: ReplicaModel, now: Seconds): LearnedRates {
	const { recent } = model;
	if (recent && now >= recent.at && now - recent.at < RECENT_SECONDS) return recent.rates;
	const known = ratesAt(model, now);
	model.recent = { at: now, rates: known };
	return known;
}

function ratesAt(model: ReplicaModel, now: Seconds): LearnedRates {
	const ttft = model.ttft.read(now);
	const tpot = model.tpot.read(now);
	return {
		overheadSeconds: ttft.intercept,
		prefillTokensPerSecond: 1 / ttft.slope,
		stepSeconds: tpot.intercept,
		stepSecondsPerSequence: tpot.slope,
		kvTokens: model.prior.kvTokens,
		ttftSigma: ttft.sigma,
	};
}

/** E[TTFT] without the round trip, of a request with `uncached` tokens to compute behind `pending` others. */
export function expectedTtft(
	known: Pick<Rates, "overheadSeconds" | "prefillTokensPerSecond">,
	{ pending, uncached }: { readonly pending: Tokens; readonly uncached: Tokens },
): Seconds {
	return known.overheadSeconds + (amount(pending) + amount(uncached)) / known.prefillTokensPerSecond;
}

/** E[TPOT] when `running` sequences run together, the request included. */
export function expectedTpot(known: Pick<Rates, "stepSeconds" | "stepSecondsPerSequence">, running: number): Seconds {
	return known.stepSeconds + known.stepSecondsPerSequence * amount(running - 1);
}

/** E[seconds] until a KV cache of `capacity` tokens has room for `need` more beside the `resident` ones of the requests in
 *  flight, which end one after the other, evenly over the `decodeSeconds` that they take. An engine lets a prefill wait so
 *  long, or throws a running request out, which costs about the same. */
export function expectedRoom(
	{ resident, need }: { readonly resident: Tokens; readonly need: Tokens },
	capacity: Tokens,
	decodeSeconds: Seconds,
): Seconds {
	const over = amount(resident) + amount(need) - capacity;
	if (!(over > 0 && resident > 0)) return 0;
	return decodeSeconds * Math.min(1, over / resident);
}

/** What `createReplicaModel` goes on from; plain JSON. */
export function snapshotReplicaModel({ ttft, tpot, belowFloor }: ReplicaModel): ReplicaSnapshot {
	return { ttft: ttft.snapshot(), tpot: tpot.snapshot(), belowFloor };
}

/** Finite and not negative, whatever comes. */
function amount(value: number): number {
	return value > 0 ? Math.min(value, Number.MAX_SAFE_INTEGER) : 0;
}
