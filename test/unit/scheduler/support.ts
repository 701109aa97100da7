import { buildSnapshot, type CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import { catalogSchema, type CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { LearnedState } from "../../../src/shared/scheduler/learned.ts";
import type { AssignReply, AssignRequest, Ended, SchedulerMail } from "../../../src/shared/scheduler/messages.ts";
import type { EngineTellings } from "../../../src/shared/scheduler/prefixes.ts";
import { settingsFrom } from "../../../src/shared/settings.ts";
import { assignRequest } from "../../support/assign-request.ts";

export const T0 = 1_800_000_000;

/** A fast reserved pool, a slow serverless one and a commercial API, as an operator would mix them. */
export const MIXED: CatalogInput = {
	models: [{ id: "m", context_length: 32_000, capabilities: ["chat", "tools"], parameters_billion: 8 }],
	pools: [
		{
			id: "h100",
			model: "m",
			engine: "vllm",
			gpu: { type: "H100" },
			place: { provider: "own", region: "eu", round_trip_ms: 10 },
			price: { per: "gpu_hour", usd: 2.5 },
			max_concurrency: 4,
			replicas: [
				{ id: "a", url: "http://h100-a.test" },
				{ id: "b", url: "http://h100-b.test" },
			],
		},
		{
			id: "l4",
			model: "m",
			engine: "vllm",
			gpu: { type: "L4" },
			place: { provider: "runpod", region: "us", round_trip_ms: 60 },
			price: { per: "gpu_second", usd: 0.0002 },
			max_concurrency: 4,
			replicas: [{ id: "a", url: "http://l4.test" }],
		},
		{
			id: "api",
			model: "m",
			engine: "openai",
			place: { provider: "api", region: "us", round_trip_ms: 40 },
			price: { per: "million_tokens", input: 0.2, output: 0.6 },
			context_length: 8_000,
			capabilities: ["chat"],
			max_concurrency: 8,
			replicas: [{ id: "a", url: "http://api.test" }],
		},
	],
};

export function modelOf(catalog: CatalogInput, id = "m"): CatalogModel {
	return buildSnapshot(1, catalogSchema.parse(catalog)).models.get(id)!;
}

export interface Rig {
	readonly core: SchedulerCore;
	/** Answers of those who stood in the waiting room, in the order in which they got them. */
	readonly turns: [reservation: string, reply: AssignReply][];
}

export function rig(
	catalog: CatalogInput = MIXED,
	settings: Record<string, unknown> = {},
	learned?: LearnedState,
	engines?: EngineTellings,
): Rig {
	const turns: Rig["turns"] = [];
	const core = new SchedulerCore({
		settings: settingsFrom(JSON.stringify(settings)),
		rng: () => 0.5,
		...(learned && { learned }),
		...(engines && { engines }),
		onTurn: (reservation, reply) => turns.push([reservation, reply]),
	});
	core.configure(modelOf(catalog), T0);
	return { core, turns };
}

let serial = 0;

export function request(
	change: Partial<AssignRequest> = {},
	policy: Partial<AssignRequest["policy"]> = {},
): AssignRequest {
	return assignRequest({ reservation: `r${++serial}`, model: "m", ...change }, policy);
}

export function ended(reservation: string, change: Partial<Ended> = {}): Ended {
	return {
		reservation,
		outcome: "ok",
		ttft: 0.2,
		seconds: 2,
		promptTokens: 1_000,
		cachedTokens: 0,
		outputTokens: 100,
		...change,
	};
}

export function mail(change: Partial<SchedulerMail>): SchedulerMail {
	return { first: [], ended: [], renewals: [], ...change };
}

/** The replica that was given, or the code of the refusal, or `queued`. */
export function outcomeOf(reply: AssignReply): string {
	switch (reply.kind) {
		case "assigned":
			return reply.ranked[0]!.replica;
		case "refused":
			return reply.error.code;
		case "elsewhere":
			return `elsewhere: ${reply.group}`;
		case "queued":
			return "queued";
		case "unhedged":
			return reply.reason;
	}
}
