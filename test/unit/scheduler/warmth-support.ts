import { expect } from "vitest";
import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { AssignReply, AssignRequest, WarmthStatus } from "../../../src/shared/scheduler/messages.ts";
import { fleetStatus } from "../../../src/shared/scheduler/status.ts";
import { ended, mail, outcomeOf, request } from "./support.ts";

const RATES = { prefill_tokens_per_second: 10_000, seconds_per_output_token: 0.01 };

/** A cheap pool that scales to zero and takes 10 s to start, and an API that is always there and costs a cent a request. */
export function catalog(zero: Partial<CatalogInput["pools"][number]> = {}, input = 10): CatalogInput {
	return {
		models: [{ id: "m", context_length: 32_000, capabilities: ["chat", "tools"], parameters_billion: 8 }],
		pools: [
			{
				id: "zero",
				model: "m",
				engine: "vllm",
				gpu: { type: "H100" },
				place: { provider: "serverless", region: "zero", round_trip_ms: 10 },
				price: { per: "gpu_second", usd: 0.001 },
				rates: RATES,
				max_concurrency: 8,
				scale_to_zero: { kind: "plain", idle_seconds: 60, cold_seconds: 10 },
				replicas: [{ id: "a", url: "http://zero.test" }],
				...zero,
			},
			{
				id: "api",
				model: "m",
				engine: "openai",
				place: { provider: "api", region: "api", round_trip_ms: 10 },
				price: { per: "million_tokens", input, output: 0 },
				rates: RATES,
				max_concurrency: 1_000,
				replicas: [{ id: "a", url: "http://api.test" }],
			},
		],
	};
}

export const zeroOnly = { regions: ["zero"] };
/** Of one who does not mind waiting. */
export const patient = { valueOfSecond: 1e-6, lateSecond: 1e-6 };

/** Lets a request wait for the start of `zero/a`, and end. Its first token comes after `seconds`. */
export function start(core: SchedulerCore, now: number, seconds = 10): number {
	const waker = request({}, zeroOnly);
	expect(outcomeOf(core.assign(waker, now))).toBe("zero/a");
	const first = { reservation: waker.reservation, ttft: seconds, headers: null };
	core.mail(mail({ first: [first] }), now + seconds);
	core.mail(mail({ ended: [ended(waker.reservation, { ttft: seconds, seconds: seconds + 1 })] }), now + seconds + 1);
	return now + seconds + 1;
}

export function warmth(core: SchedulerCore, now: number): WarmthStatus {
	core.tick(now);
	return fleetStatus(core, now).replicas[0]!.warmth!;
}

export function lineOf(reply: AssignReply, replica: string) {
	if (reply.kind !== "assigned") throw new Error(`not assigned: ${outcomeOf(reply)}`);
	const line = explain(reply.explanation).find((each) => each.replica === replica);
	if (!line || !("score" in line)) throw new Error(`${replica} was no candidate`);
	return line;
}

/** Asks and ends at once, so that nothing is in flight. */
export function pass(core: SchedulerCore, now: number, policy: Partial<AssignRequest["policy"]> = {}): AssignReply {
	const asked = request({}, policy);
	const reply = core.assign(asked, now);
	core.mail(mail({ ended: [ended(asked.reservation)] }), now);
	return reply;
}
