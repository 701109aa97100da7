import { settled } from "../admission/health.ts";
import { usdFromNano } from "../money/nano.ts";
import { rates } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import type { SchedulerCore } from "./core.ts";
import type { ReplicaState } from "./fleet.ts";
import type { Warmths } from "./warmths.ts";
import type { CacheStatistics } from "../kv/replica-caches.ts";
import type { FleetStatus, PrefixCacheStatus, ReplicaStatus, WarmthStatus } from "./messages.ts";

/** How the fleet stands now. */
export function fleetStatus(core: SchedulerCore, now: Seconds): FleetStatus {
	core.lookAtWarmth(now);
	const caches = new Map(core.prefixes.statistics().replicas.map((each) => [each.replica, each]));
	return {
		in_flight: core.inFlight,
		waiting: core.waiting,
		acts: core.keeping.log.last,
		replicas: core.fleet.replicas.map((state): ReplicaStatus => {
			const { entry, health, model, meter } = state;
			const load = core.ownLoad(entry.name, now);
			const learned = rates(model, now);
			const { pricing } = entry.pool;
			const busy = pricing.per === "gpu_second" ? (meter?.busy(now) ?? null) : null;
			return {
				replica: entry.name,
				health: settled(health, now).phase.kind,
				in_flight: load.inFlight,
				pending_tokens: load.pendingTokens,
				prefill_tokens_per_second: learned.prefillTokensPerSecond,
				overhead_seconds: learned.overheadSeconds,
				seconds_per_output_token: learned.stepSeconds,
				prefix_cache: prefixCache(caches.get(entry.name)),
				warmth: warmthOf(state, core.warmths, now),
				busy_seconds: busy,
				busy_usd: busy === null || pricing.per !== "gpu_second" ? null : busy * usdFromNano(pricing.nanoPerSecond),
			};
		}),
	};
}

function warmthOf({ warmth }: ReplicaState, warmths: Warmths, now: Seconds): WarmthStatus | null {
	if (!warmth) return null;
	const { signal, pool } = warmth;
	const { idle } = pool.idleness;
	return {
		state: warmth.state(now),
		p_cold: warmth.probability,
		source: signal?.source ?? null,
		age_seconds: signal && Math.max(0, now - signal.at),
		cold_seconds: warmth.start(warmths.othersWaking(warmth), now).seconds,
		idle_seconds: idle === Infinity ? null : idle,
		regret_usd: pool.regret(now),
	};
}

function prefixCache(known: CacheStatistics | undefined): PrefixCacheStatus | null {
	if (!known) return null;
	return {
		blocks: known.entries,
		blocks_max: known.capacity,
		answers: known.answers,
		prompt_tokens: known.prompt,
		possible_tokens: known.possible,
		predicted_tokens: known.predicted,
		actual_tokens: known.actual,
		unreported: known.unreported,
	};
}

/** The fleet as several schedulers of one model know it together: of a replica that more than one has, the loads add up, and
 *  the busy seconds, of which each counts its own share; the rest is as the first knows it. */
export function mergedStatus(statuses: readonly FleetStatus[]): FleetStatus {
	const replicas = new Map<string, ReplicaStatus>();
	for (const replica of statuses.flatMap((status) => status.replicas)) {
		const first = replicas.get(replica.replica);
		replicas.set(replica.replica, first ? together(first, replica) : replica);
	}
	const sum = (of: (status: FleetStatus) => number): number => statuses.reduce((total, each) => total + of(each), 0);
	return {
		in_flight: sum((s) => s.in_flight),
		waiting: sum((s) => s.waiting),
		replicas: [...replicas.values()],
		acts: statuses.flatMap(({ acts }) => acts).toSorted((a, b) => a.at - b.at),
	};
}

function together(a: ReplicaStatus, b: ReplicaStatus): ReplicaStatus {
	const plus = (x: number | null, y: number | null): number | null => (x === null || y === null ? (x ?? y) : x + y);
	return {
		...a,
		in_flight: a.in_flight + b.in_flight,
		pending_tokens: a.pending_tokens + b.pending_tokens,
		prefix_cache: a.prefix_cache && b.prefix_cache ? bothCaches(a.prefix_cache, b.prefix_cache) : null,
		warmth: newer(a.warmth, b.warmth),
		busy_seconds: plus(a.busy_seconds, b.busy_seconds),
		busy_usd: plus(a.busy_usd, b.busy_usd),
	};
}

/** Whoever has seen it last knows best. */
function newer(a: WarmthStatus | null, b: WarmthStatus | null): WarmthStatus | null {
	if (!a || !b) return a ?? b;
	return (b.age_seconds ?? Infinity) < (a.age_seconds ?? Infinity) ? b : a;
}

/** Each shard knows the blocks of its own conversations; the replica holds them all. */
function bothCaches(a: PrefixCacheStatus, b: PrefixCacheStatus): PrefixCacheStatus {
	return {
		blocks: a.blocks + b.blocks,
		blocks_max: a.blocks_max,
		answers: a.answers + b.answers,
		prompt_tokens: a.prompt_tokens + b.prompt_tokens,
		possible_tokens: a.possible_tokens + b.possible_tokens,
		predicted_tokens: a.predicted_tokens + b.predicted_tokens,
		actual_tokens: a.actual_tokens + b.actual_tokens,
		unreported: a.unreported + b.unreported,
	};
}
