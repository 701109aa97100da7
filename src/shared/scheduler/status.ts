import { usdFromNano } from "../money/nano.ts";
import { rates } from "../perf/replica-model.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import type { SchedulerCore } from "./core.ts";
import type { ReplicaName } from "./messages.ts";

/** What an operator may want to see of one scheduler. */
export interface FleetStatus {
	readonly in_flight: number;
	readonly waiting: number;
	readonly replicas: readonly ReplicaStatus[];
}

interface ReplicaStatus {
	readonly replica: ReplicaName;
	readonly health: string;
	readonly in_flight: number;
	readonly pending_tokens: Tokens;
	readonly prefill_tokens_per_second: number;
	readonly overhead_seconds: Seconds;
	readonly seconds_per_output_token: Seconds;
	/** Seconds with at least one request in flight, and what they cost, for pools priced by time. All of it was billed to
	 *  requests; a reserved GPU's other seconds are the operator's. */
	readonly busy_seconds: Seconds | null;
	readonly busy_usd: Usd | null;
}

export function fleetStatus(core: SchedulerCore, now: Seconds): FleetStatus {
	return {
		in_flight: core.inFlight,
		waiting: core.waiting,
		replicas: core.fleet.replicas.map((state): ReplicaStatus => {
			const { entry, health, model, meter } = state;
			const load = core.load(entry.name, now);
			const learned = rates(model, now);
			const { pricing } = entry.pool;
			const busy = meter?.busy(now) ?? null;
			return {
				replica: entry.name,
				health: health.phase.kind,
				in_flight: load.inFlight,
				pending_tokens: load.pendingTokens,
				prefill_tokens_per_second: learned.prefillTokensPerSecond,
				overhead_seconds: learned.overheadSeconds,
				seconds_per_output_token: learned.stepSeconds,
				busy_seconds: busy,
				busy_usd: busy === null || pricing.per !== "gpu_second" ? null : busy * usdFromNano(pricing.nanoPerSecond),
			};
		}),
	};
}
