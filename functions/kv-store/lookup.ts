import * as z from "zod";
import { tokenizeAt, type Tokenizable } from "../../src/adapters/tokenize.ts";
import { problemsError, problemsFrom } from "../../src/shared/catalog/problems.ts";
import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import type { CatalogModel, CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { extraText, tokenIds } from "../../src/shared/kv/events/decode-event.ts";
import { TOKEN_BLOCK, tokenChain } from "../../src/shared/kv/events/token-chain.ts";
import { KV_LOOKUP_BYTES_MAX, KV_LOOKUP_TOKENS_MAX } from "../../src/shared/limits.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { callerOf } from "./caller.ts";
import { mediaType, readBytes } from "./read-bytes.ts";
import { askScheduler } from "./scheduler.ts";

const TOKENIZE_SECONDS = 3;
/** Replicas that are asked to tokenise a text, one after another. */
const TOKENIZERS_MAX = 2;

const bodySchema = z
	.strictObject({
		model: z.string().min(1).max(256),
		/** Checked apart: zod takes seconds for a million of them. */
		tokens: z.unknown(),
		prompt: z.string(),
		messages: z
			.array(z.looseObject({ role: z.string() }))
			.min(1)
			.max(10_000),
		tools: z.array(z.looseObject({})).max(1_000),
		lora_name: z.string().min(1).max(1_024),
		cache_salt: z.string().min(1).max(1_000),
	})
	.partial({ tokens: true, prompt: true, messages: true, tools: true, lora_name: true, cache_salt: true });
type Body = z.infer<typeof bodySchema>;

/** `POST /v1/kv/lookup`: how much of a prompt each replica holds, by the engines' own events. Text and messages are tokenised by
 *  a replica that sends events; where none does nothing is known, and nobody is asked. */
export async function lookUp(request: Request, env: Env, ctx: ExecutionContext): Promise<Result<object, IsobarError>> {
	const caller = await callerOf(request, env, ctx);
	if (!caller.ok) return caller;
	const { key, snapshot } = caller.value;
	if (!key.kv_lookup) {
		const message = `The key ${key.id} may not look up what replicas hold: it shows what others have sent. An operator allows it with kv_lookup`;
		return err(isobarError("lookup_not_allowed", message));
	}
	const body = await readBody(request);
	if (!body.ok) return body;
	const model = resolveModel(snapshot, body.value.model, key);
	if (!model.ok) return model;
	const tokens = await tokensOf(body.value, model.value, snapshot.version, env);
	if (!tokens.ok) return tokens;
	const { lora_name: lora = null, cache_salt: salt } = body.value;
	const chain = tokenChain(tokens.value ?? new Uint32Array(), lora, salt === undefined ? null : extraText([salt]));
	const held =
		chain.length === 0
			? ok([])
			: await askScheduler(env, model.value.id, (scheduler) =>
					scheduler.kvLookup(model.value.id, snapshot.version, chain),
				);
	if (!held.ok) return held;
	return ok({
		object: "kv_lookup",
		model: model.value.id,
		block_size: TOKEN_BLOCK,
		prompt_tokens: tokens.value?.length ?? null,
		data: held.value,
	});
}

async function readBody(request: Request): Promise<Result<Body, IsobarError>> {
	const type = mediaType(request, { "application/json": "json" });
	if (!type.ok) return type;
	const bytes = await readBytes(request, KV_LOOKUP_BYTES_MAX);
	if (!bytes.ok) return bytes;
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.value));
	} catch (error) {
		return err(
			isobarError("invalid_json", `The body is not JSON: ${error instanceof Error ? error.message : "unreadable"}`),
		);
	}
	const parsed = bodySchema.safeParse(value);
	if (!parsed.success)
		return err(problemsError("invalid_request", "The body is not valid", problemsFrom(parsed.error)));
	const given = (["tokens", "prompt", "messages"] as const).filter((name) => parsed.data[name] !== undefined);
	if (given.length === 1) return ok(parsed.data);
	const message = `Give one of tokens, prompt and messages; this body has ${given.join(" and ") || "none"}`;
	return err(isobarError("invalid_request", message, { param: given[1] ?? "tokens" }));
}

/** The prompt's token ids; null: a text, and no replica that could know it. */
async function tokensOf(
	body: Body,
	model: CatalogModel,
	version: number,
	env: Env,
): Promise<Result<Uint32Array | null, IsobarError>> {
	const { tokens, prompt, messages, tools } = body;
	if (tokens !== undefined) return checked(tokens);
	const input: Tokenizable = prompt === undefined ? { messages: messages ?? [], ...(tools && { tools }) } : { prompt };
	const stats = await askScheduler(env, model.id, (scheduler) => scheduler.kvStats(model.id, version));
	if (!stats.ok) return stats;
	// Heard of last first: that one is up.
	const names = new Set(stats.value.ranks.map(({ replica }) => replica).reverse());
	const replicas = [...names].flatMap((name): CatalogReplica[] => model.replicas.filter((each) => each.name === name));
	if (replicas.length === 0) return ok(null);
	for (const replica of replicas.slice(0, TOKENIZERS_MAX)) {
		const found = await tokenizeAt(replica, input, env, TOKENIZE_SECONDS);
		if (found !== null) return checked(found);
	}
	const message = "No replica that sends events has tokenised the text; send its tokens, or try again";
	return err(isobarError("tokenizer_unavailable", message, { retryAfter: 2 }));
}

function checked(tokens: unknown): Result<Uint32Array, IsobarError> {
	const ids = tokenIds(tokens, "tokens", KV_LOOKUP_TOKENS_MAX);
	if (ids.ok) return ids;
	const { path, message, limit } = ids.error;
	return err(
		isobarError("invalid_request", `${path}: ${message}`, { param: path, ...(limit && { details: { limit } }) }),
	);
}
