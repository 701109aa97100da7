import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import type { AssignRequest, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { admin } from "./admin-support.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";

const MODEL = "outlook-m";
let version = 0;

beforeAll(async () => {
	const put = await admin("PUT", "/admin/catalog", {
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"] }],
		pools: [
			{
				id: "outlook-p",
				model: MODEL,
				engine: "openai",
				place: { provider: "x", region: "y", round_trip_ms: 30 },
				price: { per: "million_tokens", input: 1, output: 2 },
				max_concurrency: 1,
				replicas: ["a", "b"].map((id) => ({ id, url: `http://outlook-${id}.test` })),
			},
		],
	});
	version = put.body.version;
});

test("a scheduler tells routers of load, rates and who takes requests, reading the catalog first if need be", async () => {
	const scheduler: SchedulerPort = env.SCHEDULER.getByName(schedulerName(MODEL));
	const idle = await scheduler.outlook(MODEL, version, "FRA");
	expect(idle).toMatchObject({ bytesPerToken: 4, outputLength: { count: 0 }, roundTrips: { "outlook-p": 0.03 } });
	expect(idle.summary.replicas.map(({ replica, open, inFlight }) => ({ replica, open, inFlight }))).toEqual([
		{ replica: "outlook-p/a", open: true, inFlight: 0 },
		{ replica: "outlook-p/b", open: true, inFlight: 0 },
	]);
	expect(idle.summary.replicas[0]!.model).toMatchObject({ belowFloor: 0 });

	const request: AssignRequest = {
		...assignRequest({ reservation: "outlook.1", model: MODEL }),
		catalogVersion: version,
	};
	const { reply } = await assignOne(scheduler, request, { first: [], ended: [], renewals: [] });
	expect(reply.kind).toBe("assigned");
	const busy = await scheduler.outlook(MODEL, version, "FRA");
	expect(busy.summary.replicas.map(({ open, inFlight }) => ({ open, inFlight }))).toContainEqual({
		open: false,
		inFlight: 1,
	});
	// What crosses to an isolate is plain data.
	expect(structuredClone(busy)).toEqual(busy);
});

test("of a model that it does not know it tells nothing", async () => {
	const scheduler = env.SCHEDULER.getByName(schedulerName("outlook-none"));
	expect((await scheduler.outlook("outlook-none", version, "local")).summary.replicas).toEqual([]);
});
