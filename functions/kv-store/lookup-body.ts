import * as z from "zod";
import { problemsError, problemsFrom } from "../../src/shared/catalog/problems.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { topLevelMembers, type Member } from "../../src/shared/http/json-members.ts";
import { jsonText, type JsonText } from "../../src/shared/http/json-values.ts";
import { KV_LOOKUP_BYTES_MAX } from "../../src/shared/limits.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { mediaType, readBytes } from "../../src/adapters/read-bytes.ts";

const schema = z
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
		/** As the engine is given it; null: none. Absent: what Isobar gives it for this key. */
		cache_salt: z.string().min(1).max(1_000).nullable(),
	})
	.partial({ tokens: true, prompt: true, messages: true, tools: true, lora_name: true, cache_salt: true });

export interface LookupBody extends z.infer<typeof schema> {
	/** The same as it came, for hashing. */
	readonly json: JsonText;
	readonly members: readonly Member[];
}

/** The body of a look-up, with exactly one of `tokens`, `prompt` and `messages`. */
export async function readLookup(request: Request): Promise<Result<LookupBody, IsobarError>> {
	const type = mediaType(request, { "application/json": "json" });
	if (!type.ok) return type;
	const bytes = await readBytes(request, KV_LOOKUP_BYTES_MAX);
	if (!bytes.ok) return bytes;
	const json = jsonText(bytes.value);
	const members = topLevelMembers(json);
	if (!members.ok) return err(isobarError("invalid_json", `Byte ${members.error.at}: ${members.error.message}`));
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.value));
	} catch (error) {
		const reason = error instanceof Error ? error.message : "unreadable";
		return err(isobarError("invalid_json", `The body is not JSON: ${reason}`));
	}
	const parsed = schema.safeParse(value);
	if (!parsed.success)
		return err(problemsError("invalid_request", "The body is not valid", problemsFrom(parsed.error)));
	const given = (["tokens", "prompt", "messages"] as const).filter((name) => parsed.data[name] !== undefined);
	if (given.length === 1) return ok({ ...parsed.data, json, members: members.value });
	const message = `Give one of tokens, prompt and messages; this body has ${given.join(" and ") || "none"}`;
	return err(isobarError("invalid_request", message, { param: given[1] ?? "tokens" }));
}
