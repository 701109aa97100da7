import { capabilityBits, type CatalogModel, type CatalogReplica } from "../catalog/snapshot.ts";
import { usdFromNano } from "../money/nano.ts";
import { tokenBill } from "../money/pricing.ts";
import { priorRates } from "../perf/prior.ts";
import { expectedTpot, expectedTtft } from "../perf/replica-model.ts";
import { barredBy } from "../scheduler/barred.ts";
import { contextNeed } from "../scheduler/context-need.ts";
import type { AssignRequest, RankedReplica } from "../scheduler/messages.ts";

/** What one isolate knows by itself of a replica. */
export interface LocalView {
	inFlight(replica: string): number;
	/** It failed a request of this isolate a short time ago. */
	isSuspect(replica: string): boolean;
}

const RANKED_MAX = 3;
/** A replica may have this much more than its share of what this isolate has in flight, before its prompts go to the next. */
const LOAD_FACTOR = 1.25;
/** Below this many it is never passed over: one of many isolates has only a few in flight, and a share of those would send a
 *  conversation's turns to one replica after the other. */
const BOUND_MIN = 4;
/** Of what a prompt is expected to be, without anything learned. */
const BYTES_PER_TOKEN = 4;
const OUTPUT_TOKENS = 300;

/** The stateless choice for when the scheduler does not answer: rendezvous (highest random weight) hashing of the
 *  conversation over the replicas that pass the rules which the catalog alone can judge, weighted by how many requests each
 *  takes at once, so that its turns meet at one replica whoever decides. Replicas at their limit are left out, those with
 *  more than 1.25 times their share of this isolate's load, and more than a few, and those under its suspicion come last. Thaler and Ravishankar
 *  1998; weights by the logarithmic method; bounded loads by Mirrokni, Thorup and Zadimoghaddam 2018. */
export function fallbackRank(
	model: CatalogModel,
	request: AssignRequest,
	conversation: number,
	view: LocalView,
): RankedReplica[] {
	const needs = capabilityBits(request.needs);
	const tokens = Math.ceil(request.promptBytes / BYTES_PER_TOKEN);
	const context = contextNeed(request, tokens);
	const candidates = model.replicas
		.filter(({ pool, name }) => {
			return (
				(pool.capabilityBits & needs) === needs &&
				context.prompt * 0.85 + context.answer <= pool.contextLength &&
				barredBy(request.policy, pool) === null &&
				!request.exclude.includes(name)
			);
		})
		.map((replica) => ({ replica, inFlight: view.inFlight(replica.name) }));
	const total = candidates.reduce((sum, { inFlight }) => sum + inFlight, 1);
	const places = candidates.reduce((sum, { replica }) => sum + replica.maxConcurrency, 0);
	const scored = candidates
		.filter(({ replica, inFlight }) => inFlight < replica.maxConcurrency)
		.map(({ replica, inFlight }) => {
			const share = (total * replica.maxConcurrency) / places;
			const bound = Math.max(BOUND_MIN, Math.ceil(LOAD_FACTOR * share));
			const last = (view.isSuspect(replica.name) ? 2 : 0) + (inFlight >= bound ? 1 : 0);
			return { replica, last, weight: rendezvousWeight(conversation, replica) };
		});
	scored.sort((a, b) => a.last - b.last || b.weight - a.weight);
	const ranked = scored.map(({ replica }) => expectation(replica, request, tokens));
	const { priceCeiling } = request.policy;
	return ranked.filter(({ expectedUsd }) => priceCeiling === null || expectedUsd <= priceCeiling).slice(0, RANKED_MAX);
}

function rendezvousWeight(prefixHash: number, replica: CatalogReplica): number {
	const mixed = hash32(replica.name, prefixHash);
	// Uniform in (0, 1).
	const uniform = (mixed + 0.5) / 2 ** 32;
	return -replica.maxConcurrency / Math.log(uniform);
}

function expectation(replica: CatalogReplica, request: AssignRequest, tokens: number): RankedReplica {
	const { pool } = replica;
	const rates = priorRates(pool.model, pool.pool);
	const output = Math.min(OUTPUT_TOKENS, request.outputTokensMax);
	const expectedSecondsToFirst =
		pool.pool.place.round_trip_ms / 1_000 + expectedTtft(rates, { pending: 0, uncached: tokens });
	const expectedSeconds = expectedSecondsToFirst + output * expectedTpot(rates, 1);
	const { pricing } = pool;
	const expectedUsd =
		pricing.per === "token"
			? usdFromNano(tokenBill(pricing, { prompt: tokens, cached: 0, output }))
			: pricing.reserved
				? 0
				: expectedSeconds * usdFromNano(pricing.nanoPerSecond);
	return { replica: replica.name, pool: pool.id, expectedTtft: expectedSecondsToFirst, expectedSeconds, expectedUsd };
}

/** FNV-1a over the text's char codes, finished as MurmurHash3 does, so that similar texts end far apart. */
export function hash32(text: string, seed = 0x811c9dc5): number {
	let hash = seed >>> 0;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
