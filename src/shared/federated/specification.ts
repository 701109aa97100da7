import * as z from "zod";
import { ENCODINGS } from "./encoding.ts";
import { optimiserSchema } from "./optimisers/registry.ts";
import { ruleSchema } from "./rules/registry.ts";
import { ROW_PARAMETERS, SHARD_PARAMETERS, UPDATES_STAGED_MAX } from "./sizes.ts";

const seconds = z.number().positive().max(31_536_000);
const count = z.number().int().positive();

/** Which clients that ask get a task of a round. */
const selectionSchema = z.discriminatedUnion("by", [
	/** All. */
	z.strictObject({ by: z.literal("all") }),
	/** The first `count` that ask. More than a flush needs: those who are slow are not waited for. */
	z.strictObject({ by: z.literal("count"), count }),
	/** A part of them, drawn anew for each round; at least `at_least`. Where those who were drawn do not ask, more are drawn
	 *  as time passes. */
	z.strictObject({ by: z.literal("fraction"), fraction: z.number().positive().max(1), at_least: count.default(1) }),
	/** The `count` with the highest reported loss of those who asked lately, clipped at `loss_max`; a client that never
	 *  reported one counts as `loss_max`. */
	z.strictObject({ by: z.literal("loss"), count, loss_max: z.number().positive().max(1e6).default(100) }),
]);

/** When the updates that are pending become a version. */
const flushSchema = z.discriminatedUnion("when", [
	/** At `count` updates. At the deadline, if there is one, with at least `count_min`; else the round is extended once by the
	 *  same time, then the run pauses. All clients: FedAvg; a buffer: FedBuff; one: FedAsync. */
	z.strictObject({
		when: z.literal("count"),
		count: count.max(UPDATES_STAGED_MAX),
		count_min: count.optional(),
		deadline_seconds: seconds.optional(),
	}),
	/** Every so often with whatever came; FedFix. An interval in which nothing came makes no version. */
	z.strictObject({ when: z.literal("interval"), seconds: seconds.min(1) }),
]);

/** What `POST /v1/runs` says of a run but for its model, which is a safetensors header under `model`. */
export const specificationSchema = z.strictObject({
	name: z.string().max(200).default(""),
	rule: ruleSchema.prefault({ name: "fedavg" }),
	server_optimiser: optimiserSchema.prefault({ name: "sgd" }),
	selection: selectionSchema.prefault({ by: "all" }),
	flush: flushSchema,
	/** How long a client may work on a task. Default: the flush's deadline, else an hour. */
	task_seconds: seconds.optional(),
	/** Versions that may lie between an update's base and the newest. 0: an update counts only in its own round. */
	staleness_max: z.number().int().min(0).max(1_000_000).default(0),
	/** How much an update weighs: by the examples that its client names, at most `max`, or all the same. An invitation may
	 *  cap its clients lower. */
	weights: z
		.strictObject({
			by: z.enum(["examples", "uniform"]).default("examples"),
			max: z.number().positive().max(1e9).default(1e6),
		})
		.prefault({}),
	limits: z
		.strictObject({
			clients_max: count.max(1_000_000).default(100_000),
			/** L2 norm of an update; a larger one is refused. Default: what the server optimiser takes (`normMax`), else none. */
			update_norm_max: z.number().positive().max(1e30).optional(),
			/** Updates whose bytes lie in the shards at once: in upload, pending, and being summed. Default: twice the flush's
			 *  count, 64 at least. */
			updates_staged_max: count.max(UPDATES_STAGED_MAX).optional(),
		})
		.prefault({}),
	retention: z
		.strictObject({
			/** Newest versions that are kept, with their optimiser state. Bases of open tasks are kept besides. */
			versions: count.min(2).max(1_000).default(5),
			/** Keep the updates of a version as long as it, so that it can be recomputed. */
			updates: z.boolean().default(false),
		})
		.prefault({}),
	encodings: z
		.array(z.enum(ENCODINGS))
		.min(1)
		.max(ENCODINGS.length)
		.default([...ENCODINGS]),
	/** Parameters of a shard: a multiple of 2^18. */
	shard_parameters: count.multipleOf(ROW_PARAMETERS).default(SHARD_PARAMETERS),
	/** The run is finished with this version. Default: it goes on until it is told. */
	versions_max: count.max(1e9).optional(),
	/** Handed to clients with each task: learning rate, epochs, FedProx's mu. */
	client_configuration: z.record(z.string(), z.unknown()).default({}),
});

export type Specification = z.output<typeof specificationSchema>;
export type Selection = Specification["selection"];
export type FlushRule = Specification["flush"];
