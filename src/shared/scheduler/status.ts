import { settled } from "../admission/health.ts";
import { usdFromNano } from "../money/nano.ts";
import { rates } from "../perf/replica-model.ts";
import type { Seconds } from "../units.ts";
import type { SchedulerCore } from "./core.ts";
import type { FleetStatus, ReplicaStatus } from "./messages.ts";

/** How the fleet stands now. */
export function fleetStatus(core: SchedulerCore, now: Seconds): FleetStatus {
	return {
		in_flight: core.inFlight,
		waiting: core.waiting,
		replicas: core.fleet.replicas.map((state): ReplicaStatus => {
			const { entry, health, model, meter } = state;
			const load = core.load(entry.name, now);
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
				busy_seconds: busy,
				busy_usd: busy === null || pricing.per !== "gpu_second" ? null : busy * usdFromNano(pricing.nanoPerSecond),
			};
		}),
	};
}
