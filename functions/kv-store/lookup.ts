import { tokenizeAt, type Tokenizable } from "../../src/adapters/tokenize.ts";
import type { Key } from "../../src/shared/catalog/keys.ts";
import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import type { CatalogModel, CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { member } from "../../src/shared/http/json-members.ts";
import { extraText, tokenIds } from "../../src/shared/kv/events/decode-event.ts";
import { mergedRows } from "../../src/shared/kv/events/merged.ts";
import type { KvQuestion } from "../../src/shared/kv/events/messages.ts";
import { TOKEN_BLOCK, tokenChain } from "../../src/shared/kv/events/token-chain.ts";
import { PREFIX_LIMITS, prefixChain, type PrefixChain } from "../../src/shared/kv/prefix-chain.ts";
import { engineSalt, saltOf } from "../../src/shared/kv/prefix-salt.ts";
import { KV_LOOKUP_TOKENS_MAX } from "../../src/shared/limits.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { settingsFrom } from "../../src/shared/settings.ts";
import { callerOf } from "./caller.ts";
import { readLookup, type LookupBody } from "./lookup-body.ts";
import { askSchedulers } from "./scheduler.ts";

const TOKENIZE_SECONDS = 3;
/** Replicas that are asked to tokenise a text, one after another. */
const TOKENIZERS_MAX = 2;

/** `POST /v1/kv/lookup`: how much of a prompt each replica holds, by the engines' own events, or by what the scheduler sent to
 *  replicas that send none. Text and messages are tokenised by a replica that sends events; where none does nobody is asked. */
export async function lookUp(request: Request, env: Env, ctx: ExecutionContext): Promise<Result<object, IsobarError>> {
	const caller = await callerOf(request, env, ctx);
	if (!caller.ok) return caller;
	const { key, snapshot } = caller.value;
	if (!key.kv_lookup) {
		const message = `The key ${key.id} may not look up what replicas hold: it shows what others have sent. An operator allows it with kv_lookup`;
		return err(isobarError("lookup_not_allowed", message));
	}
	const read = await readLookup(request);
	if (!read.ok) return read;
	const body = read.value;
	const model = resolveModel(snapshot, body.model, key);
	if (!model.ok) return model;
	const { id } = model.value;
	const tokens = await tokensOf(body, model.value, snapshot.version, env);
	if (!tokens.ok) return tokens;

	const question: KvQuestion = {
		tokens: tokens.value && chainsOf(tokens.value, body, key),
		prefix: prefixOf(body, id, key, env),
		promptTokens: tokens.value?.length ?? null,
		promptBytes: promptBytes(body),
	};
	const held = await askSchedulers(env, model.value, (scheduler) => scheduler.kvLookup(id, snapshot.version, question));
	if (!held.ok) return held;
	const { promptTokens: prompt_tokens } = question;
	return ok({
		object: "kv_lookup",
		model: id,
		block_size: TOKEN_BLOCK,
		prompt_tokens,
		data: mergedRows(held.value.flat()),
	});
}

/** The prompt's token ids; null: a text, and no replica that could know it by its tokens. */
async function tokensOf(
	{ tokens, prompt, messages, tools }: LookupBody,
	model: CatalogModel,
	version: number,
	env: Env,
): Promise<Result<Uint32Array | null, IsobarError>> {
	if (tokens !== undefined) return checked(tokens);
	const input: Tokenizable = prompt === undefined ? { messages: messages ?? [], ...(tools && { tools }) } : { prompt };
	const stats = await askSchedulers(env, model, (scheduler) => scheduler.kvStats(model.id, version));
	if (!stats.ok) return stats;
	// Heard of last first: that one is up.
	const names = new Set(
		stats.value
			.flatMap(({ ranks }) => ranks)
			.map(({ replica }) => replica)
			.reverse(),
	);
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

/** Without a salt in the body, as engines see the prompt when this key sends it. */
function chainsOf(tokens: Uint32Array, body: LookupBody, key: Key): KvQuestion["tokens"] {
	const { lora_name: lora = null, cache_salt: asked } = body;
	const chain = (salt: string | null): Uint32Array =>
		tokenChain(tokens, lora, salt === null ? null : extraText([salt]));
	if (asked !== undefined) {
		const same = chain(asked);
		return { salted: same, plain: same };
	}
	return { salted: chain(engineSalt(saltOf(key), undefined)), plain: chain(null) };
}

/** The chain that the scheduler keeps for such a prompt of this key. It knows neither adapters nor other salts. */
function prefixOf(
	{ json, members, tokens, messages, lora_name, cache_salt }: LookupBody,
	model: string,
	key: Key,
	env: Env,
): PrefixChain {
	const { prefixBlockBytes: blockBytes } = settingsFrom(env.SETTINGS);
	const limits = { ...PREFIX_LIMITS, blockBytes };
	const endpoint = messages === undefined ? "completions" : "chat";
	// A completion has its tokens where others have their text.
	const named =
		tokens === undefined
			? members
			: members.map((each) => (each.name === "tokens" ? { ...each, name: "prompt" } : each));
	const usable = lora_name === undefined && cache_salt === undefined ? named : [];
	const secret = env.ADMIN_TOKEN;
	return prefixChain({ endpoint, json, members: usable, model, salt: saltOf(key), secret }, limits);
}

function promptBytes({ members }: LookupBody): number {
	const spans = ["prompt", "messages"].map((name) => member(members, name)?.value);
	return spans.reduce((sum, span) => sum + (span ? span.end - span.start : 0), 0);
}
