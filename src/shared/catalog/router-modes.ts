import * as z from "zod";
import { CACHE_TTL_SECONDS, CACHE_TTL_SECONDS_MAX, RUNGS_MAX, VOTERS_MAX, VOTERS_MIN } from "../router/bounds.ts";

const modelName = () => z.string().min(1).max(128);

/** How a router climbs from cheap models to a strong one. */
export const cascadeSchema = () =>
	z.strictObject({
		/** Ids from cheap to strong. Absent: the model of the greatest expected quality, and below it the two cheapest. */
		models: z.array(modelName()).min(2).max(RUNGS_MAX).optional(),
		/** P(right) from which on a cheap answer is taken. Absent: where the top would not be worth its price. */
		accept: z.number().min(0).max(1).optional(),
		/** Share of the traffic on either side of that threshold that gets another opinion. */
		window: z.number().min(0).max(0.5).default(0.1),
		/** The model that is asked for its opinion. Absent: none is. */
		verifier: modelName().optional(),
	});

/** How a router lets models vote. */
export const voteSchema = () =>
	z.strictObject({
		/** Ids, in the order in which they are asked; one may stand here more than once. Absent: the best three. */
		models: z.array(modelName()).min(VOTERS_MIN).max(VOTERS_MAX).optional(),
		/** P(right) at which nobody else is asked. */
		target: z.number().min(0.5).max(1).default(0.9),
	});

/** Whether answers are kept and given again to exactly the same request. */
export const cacheSchema = () =>
	z.strictObject({
		/** `deterministic`: only of requests with `temperature` 0. */
		when: z.enum(["deterministic", "always"]).default("deterministic"),
		ttl_seconds: z.number().int().positive().max(CACHE_TTL_SECONDS_MAX).default(CACHE_TTL_SECONDS),
	});
export type CacheSettings = z.infer<ReturnType<typeof cacheSchema>>;

const texts = () => z.array(z.string().min(1).max(1_000)).min(1).max(100);

/** An answer, or a refusal, that costs nothing, for prompts whose last user message meets all that is named. */
export const ruleSchema = () =>
	z
		.strictObject({
			id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 letters, digits and . _ -"),
			contains_all: texts().optional(),
			contains_any: texts().optional(),
			words: texts().optional(),
			equals: texts().optional(),
			answer: z.string().min(1).max(16_384).optional(),
			refusal: z.string().min(1).max(4_096).optional(),
			/** E[quality] of it, as the operator judges. */
			quality: z.number().min(0).max(1).default(1),
		})
		.refine(({ answer, refusal }) => (answer === undefined) !== (refusal === undefined), {
			message: "either answer or refusal",
		})
		.refine((rule) => rule.contains_all ?? rule.contains_any ?? rule.words ?? rule.equals, {
			message: "one of contains_all, contains_any, words and equals at least",
		});
export const rulesSchema = () => z.array(ruleSchema()).max(100);
