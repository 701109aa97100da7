import * as z from "zod";
import { TTFT_GOAL, VALUE_OF_SECOND } from "../objective/defaults.ts";
import { cacheSchema } from "./router-modes.ts";
import { WAITING_SECONDS_MAX } from "../limits.ts";
import { USD_MAX } from "../money/nano.ts";
import { PRIORITIES } from "./priorities.ts";

const tenant = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -");
const budgetUsd = z.number().nonnegative().max(USD_MAX);

export type Priority = (typeof PRIORITIES)[number];

/** How a key's requests are decided. Every field may be overridden for one request in its `isobar` body field. */
export const policySchema = z.strictObject({
	/** v: what a second of waiting costs the tenant, in USD. */
	value_of_second_usd: z.number().nonnegative().max(1_000).default(VALUE_OF_SECOND),
	ttft_goal_seconds: z.number().positive().max(3_600).default(TTFT_GOAL),
	/** v_slo: what a second over the goal costs, in USD. Default: ten times v. */
	late_second_usd: z.number().nonnegative().max(10_000).optional(),
	priority: z.enum(PRIORITIES).default("standard"),
	/** Of the tenant in the waiting room: with 2 it is served twice as many tokens as a tenant with 1 while both wait. The
	 *  key's alone, no request's. */
	fair_weight: z.number().min(0.01).max(100).default(1),
	/** What the delays that a request causes to others count against its own. Above 1 it stays longer at the replica that holds
	 *  its prefix, below 1 it leaves sooner. In bench/replay chats did best with 0.5, agents' sessions with 0.5 to 2. The key's
	 *  alone, no request's. */
	harm_weight: z.number().min(0).max(10).default(1),
	/** How long a request may stand in the waiting room; 0: not at all. Default: the deployment's. */
	waiting_seconds_max: z.number().nonnegative().max(WAITING_SECONDS_MAX).optional(),
	/** Pools elsewhere are no candidates. Absent: anywhere. */
	regions: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
	/** Keys that name the same group, of whatever tenants, share cached prefixes: each can then learn from the time to the
	 *  first token how another's prompts begin. Absent: within the tenant only. */
	prefix_group: z
		.string()
		.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -")
		.optional(),
	/** A request expected to cost more than this is not sent. */
	price_ceiling_usd: z.number().nonnegative().max(USD_MAX).optional(),
	/** Whether a request whose answer is late may also be sent to a pool of another provider. What is called off then is paid for
	 *  too, so nobody gets that unasked. */
	hedge: z.boolean().default(false),
	/** Whether a stream whose answer is late begins with comments. Without them its status tells how it went, however late. */
	heartbeats: z.boolean().default(true),
	/** Whether answers are kept and given again to exactly the same request. Absent: only where a router or the request says so. */
	cache: cacheSchema().optional(),
});
export type Policy = z.infer<typeof policySchema>;

/** What a new key asks for: the body of `POST /admin/keys`. */
export const keyInputSchema = z.strictObject({
	tenant,
	name: z.string().max(200).default(""),
	/** UTC days and months; `total` over the life of the key. Absent: no such budget. */
	budget: z
		.strictObject({ day_usd: budgetUsd.optional(), month_usd: budgetUsd.optional(), total_usd: budgetUsd.optional() })
		.default({}),
	limits: z
		.strictObject({
			requests_per_minute: z.number().int().positive().max(1e9).optional(),
			tokens_per_minute: z.number().int().positive().max(1e12).optional(),
			concurrency: z.number().int().positive().max(1e6).optional(),
		})
		.default({}),
	/** Model ids this key may name. Absent: all. */
	allowed_models: z.array(z.string().min(1).max(128)).max(500).optional(),
	policy: policySchema.prefault({}),
	/** Injected as `max_tokens` when a request names none. */
	default_max_tokens: z.number().int().positive().max(10_000_000).default(4_096),
	/** When the ledger cannot be reached: `closed` refuses; a number is what each isolate may spend until it is back, in USD. */
	ledger_unreachable: z
		.union([z.literal("closed"), z.number().positive().max(USD_MAX)], 'expected "closed" or an amount in USD above 0')
		.default("closed"),
	/** May ask what replicas hold (`POST /v1/kv/lookup`). That shows whether anyone has sent a prompt that starts so. */
	kv_lookup: z.boolean().default(false),
	/** May create, see and operate the tenant's federated runs. One that only sends prompts has no need to. */
	federated: z.boolean().default(true),
	expires_at: z.iso.datetime().optional(),
});
export type KeyInput = z.infer<typeof keyInputSchema>;

/** A key as the catalog stores it. The key itself is not kept, only its SHA-256. */
export interface Key extends KeyInput {
	/** `key_...`: names the key in usage, records and logs. */
	readonly id: string;
	/** Unix seconds. */
	readonly created_at: number;
	readonly revoked_at: number | null;
}
