import * as z from "zod";
import { CAPABILITIES } from "./capabilities.ts";
import { ENGINE_NAMES } from "./engines.ts";
import { PRIVACY_ZONES } from "./router-names.ts";
import { routerSchema } from "./routers.ts";
import { SCALE_TO_ZERO_NAMES } from "./scale-to-zero.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;
const name = z.string().regex(NAME, "1 to 128 letters, digits and . _ : @ / -, starting with a letter or digit");
/** Ids stand in `pool/replica` names and in headers, so they hold no slash. */
const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -");
const secretName = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, "the name of a Worker secret, such as VLLM_API_KEY");
const usd = z.number().nonnegative().max(1_000_000);

export type Capability = (typeof CAPABILITIES)[number];

/** USD per million tokens. `cached_input` is what a prompt token costs that hit the pool's prefix cache (default: input). */
const tokenPrice = z.strictObject({
	per: z.literal("million_tokens"),
	input: usd,
	output: usd,
	cached_input: usd.optional(),
});
/** USD per second and replica while it works on at least one request (scale-to-zero billing). */
const gpuSecondPrice = z.strictObject({ per: z.literal("gpu_second"), usd });
/** USD per hour and replica, paid whether it works or not. */
const gpuHourPrice = z.strictObject({ per: z.literal("gpu_hour"), usd });

export const priceSchema = z.discriminatedUnion("per", [tokenPrice, gpuSecondPrice, gpuHourPrice]);
export type Price = z.infer<typeof priceSchema>;

export const modelSchema = z.strictObject({
	id: name,
	aliases: z.array(name).max(32).default([]),
	/** Tokens of prompt and answer together. */
	context_length: z.number().int().positive(),
	capabilities: z.array(z.enum(CAPABILITIES)).min(1),
	/** Billions of parameters: all, and those active for a token (mixture of experts). For the roofline prior. */
	parameters_billion: z.number().positive().optional(),
	active_parameters_billion: z.number().positive().optional(),
	bytes_per_parameter: z.number().positive().default(2),
	kv_bytes_per_token: z.number().positive().optional(),
	/** Injected as `max_tokens` when a request names none; the key's policy may name another. */
	default_max_tokens: z.number().int().positive().optional(),
	/** Scheduler objects among which the model's conversations are divided, where one is not enough. Default 1. */
	scheduler_shards: z.number().int().positive().max(64).optional(),
	/** Its name in the model card of the router's weights. Absent: nothing is known of its quality. */
	card: z.string().min(1).max(128).optional(),
	/** Another one says that it is another model now, of which nothing has been learned yet. */
	version: z.string().min(1).max(128).optional(),
	released: z.iso.date().optional(),
	/** An SPDX identifier, or a word of the operator's own. */
	licence: z.string().min(1).max(64).optional(),
});
export type Model = z.infer<typeof modelSchema>;

export const replicaSchema = z.strictObject({
	id,
	/** Base URL up to and without `/v1`: `https://gpu-7.example.com` or `http://10.0.0.7:8000`. */
	url: z.string().max(2_000),
	/** Requests at once; more stand in the waiting room. Default: the pool's. */
	max_concurrency: z.number().int().positive().optional(),
});
export type Replica = z.infer<typeof replicaSchema>;

/** How a pool scales to zero, or is put to sleep. */
export const scaleToZeroSchema = z.strictObject({
	kind: z.enum(SCALE_TO_ZERO_NAMES),
	/** Seconds without a request until it is cold. Default: the provider's own (scale-to-zero.ts), else learned. */
	idle_seconds: z.number().positive().max(604_800).optional(),
	/** A first guess of a start's seconds; learned after that. */
	cold_seconds: z.number().positive().max(3_600).optional(),
	/** Pools of the same tier have starts of the same length (disk, image, snapshot); what is learned is kept by it. */
	tier: id.optional(),
	/** Nobody but this gateway sends requests there: its own last request tells whether it is idle. */
	sole_tenant: z.boolean().default(true),
	/** Where its state is told without waking it; for what the kind tells of itself there is no need to name it. */
	status_url: z.string().max(2_000).optional(),
	/** A POST there wakes it, in place of what the kind would be sent. */
	wake_url: z.string().max(2_000).optional(),
	/** Name of the Worker secret for these two and the kind's own status. Default: the pool's. */
	secret: secretName.optional(),
	/** At which level the engine is put to sleep (`vllm_sleep`); it does not say so itself. Default 1. */
	sleep_level: z.union([z.literal(1), z.literal(2)]).optional(),
	/** Whether it may be woken before a request needs it, and kept warm. */
	keep_warm: z.boolean().default(true),
	/** Whether it may be put to sleep or scaled to zero before its own time-out, and that be changed, where the kind has calls
	 *  for that. */
	let_go: z.boolean().default(true),
	/** Where the provider takes new settings of this pool: idle time-outs are sent there. */
	settings_url: z.string().max(2_000).optional(),
	/** What an hour costs in which it is up and idle, where that is not its price: of a box that is paid anyway, what its memory is
	 *  worth to others. */
	idle_usd_per_hour: usd.optional(),
});
export type ScaleToZero = z.infer<typeof scaleToZeroSchema>;

export const poolSchema = z.strictObject({
	id,
	model: name,
	/** What speaks at the other end: which health, cached-token and metrics dialect it has. */
	engine: z.enum(ENGINE_NAMES),
	/** The pool's own name for the model, if it differs. */
	upstream_model: name.optional(),
	gpu: z.strictObject({ type: z.string().min(1).max(64), count: z.number().int().positive().default(1) }).optional(),
	place: z.strictObject({
		provider: id,
		region: id,
		/** A first guess of the round trip from the edge; learned after that. */
		round_trip_ms: z.number().nonnegative().default(20),
		/** Whose hands a prompt is in there. Default: `public`. */
		privacy: z.enum(PRIVACY_ZONES).optional(),
	}),
	price: priceSchema,
	/** Narrower than the model's, when this pool serves less of it. */
	context_length: z.number().int().positive().optional(),
	capabilities: z.array(z.enum(CAPABILITIES)).min(1).optional(),
	max_concurrency: z.number().int().positive().default(64),
	/** What is known of the pool's speed before anything was learned; otherwise the roofline of its GPU. */
	rates: z
		.strictObject({
			prefill_tokens_per_second: z.number().positive(),
			seconds_per_output_token: z.number().positive(),
		})
		.optional(),
	/** Name of the Worker secret that holds the credential; sent as `Authorization: Bearer`. Never the credential itself. */
	secret: secretName.optional(),
	/** Name of the Worker secret that is the pool's own key for `POST /v1/kv/events`. Never the key itself. */
	events_secret: secretName.optional(),
	/** Whether the pool is told to share cached prefixes within one tenant only (body field `cache_salt`). Default: what its
	 *  engine can. */
	cache_salt: z.boolean().optional(),
	/** Absent: it is always warm. */
	scale_to_zero: scaleToZeroSchema.optional(),
	replicas: z.array(replicaSchema).min(1).max(512),
});
export type Pool = z.infer<typeof poolSchema>;

export const CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"] as const;

/** Cloudflare's names of places for Durable Objects. */
const LOCATION_HINTS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
export type LocationHint = (typeof LOCATION_HINTS)[number];

/** Pools that are near one another, and the edges that are near them: they get schedulers of their own. */
export const regionGroupSchema = z.strictObject({
	id,
	/** Of pools (`place.region`). */
	regions: z.array(id).min(1).max(64),
	/** Of edges: Cloudflare's continent codes, and airport codes of single places, which count before them. */
	continents: z.array(z.enum(CONTINENTS)).default([]),
	colos: z
		.array(z.string().regex(/^[A-Z]{3}$/, "an airport code such as FRA"))
		.max(512)
		.default([]),
	/** Where Cloudflare is asked to create its schedulers. Default: where the first request comes from. */
	location_hint: z.enum(LOCATION_HINTS).optional(),
});
export type RegionGroup = z.infer<typeof regionGroupSchema>;

/** The declarative catalog: the whole of what the gateway knows of models and pools. */
export const catalogSchema = z.strictObject({
	models: z.array(modelSchema).max(500),
	pools: z.array(poolSchema).max(500),
	/** Pools whose region is in none of them are in the group `global`, and so are edges. */
	region_groups: z.array(regionGroupSchema).max(32).optional(),
	/** For `model: "auto"` and `"auto:ID"`. */
	routers: z.array(routerSchema).max(64).optional(),
});
export type Catalog = z.infer<typeof catalogSchema>;
export type CatalogInput = z.input<typeof catalogSchema>;
