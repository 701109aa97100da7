import { Buffer } from "node:buffer";
import type { Tokens } from "../units.ts";
import { member, topLevelMembers } from "./json-members.ts";
import { countedPrompt } from "./usage-dialects.ts";
import { isNullAt, jsonAt, jsonText, latin1 } from "./json-values.ts";

/** What a pool says that a request used. Null: it did not say, or what it said cannot be. */
export interface ReportedUsage {
	readonly promptTokens: Tokens | null;
	readonly completionTokens: Tokens | null;
	/** Of the prompt, what the pool had in its prefix cache. */
	readonly cachedTokens: Tokens | null;
}

/** What a plain (not streamed) answer says. */
export interface AnswerBody {
	/** False: the body is no JSON object, thus garbage. */
	readonly isObject: boolean;
	readonly usage: ReportedUsage;
	/** It is an error in the OpenAI shape, whatever its status. */
	readonly error: boolean;
}

/** More than any request can use; a larger count is a fault of the pool. */
const TOKENS_MAX = 1e9;
/** How many mentions of `"usage"` at the end of an answer are looked at. */
const TAIL_TRIES_MAX = 8;

/** Reads a usage object of the OpenAI shape, cached tokens in the dialects of usage-dialects.ts. A count that is absent, negative, no integer or over a billion is null; so is
 *  a cached count over the prompt's. One of prompt and completion that is absent follows from `total_tokens`, where that is
 *  given (embeddings report the prompt and the total alone). */
export function reportedUsage(usage: unknown): ReportedUsage {
	const counted = countedPrompt(usage);
	const prompt = count(usage, "prompt_tokens") ?? whole(counted?.prompt);
	const completion =
		count(usage, "completion_tokens") ?? (counted?.prompt === undefined ? null : count(usage, "output_tokens"));
	const total = count(usage, "total_tokens");
	const promptTokens = prompt ?? (absent(usage, "prompt_tokens") ? difference(total, completion) : null);
	const cached = whole(counted?.cached);
	return {
		promptTokens,
		completionTokens: completion ?? (absent(usage, "completion_tokens") ? difference(total, prompt) : null),
		cachedTokens: cached !== null && promptTokens !== null && cached > promptTokens ? null : cached,
	};
}

/** Reads the usage of a plain answer without parsing the rest of it. */
export function usageOfBody(bytes: Uint8Array): AnswerBody {
	const json = jsonText(bytes);
	const members = topLevelMembers(json);
	if (!members.ok) return { isObject: false, usage: reportedUsage(undefined), error: false };
	const usage = member(members.value, "usage");
	const error = member(members.value, "error");
	return {
		isObject: true,
		usage: reportedUsage(usage && jsonAt(json, usage.value)),
		error: error !== undefined && !isNullAt(json, error.value),
	};
}

/** Reads the usage of a plain answer of which only the last bytes are at hand. Null: it is not among them. */
export function usageOfTail(tail: Uint8Array): ReportedUsage | null {
	const text = latin1(tail);
	let at = text.length;
	for (let tries = 0; tries < TAIL_TRIES_MAX && at > 0; tries++) {
		at = text.lastIndexOf('"usage"', at - 1);
		if (at < 0) return null;
		// A top-level member and all that follows it are an object but for the opening brace; nothing else is.
		const rest = jsonText(Buffer.from(`{${text.slice(at)}`, "latin1"));
		const members = topLevelMembers(rest);
		const usage = members.ok ? member(members.value, "usage") : undefined;
		if (usage) return isNullAt(rest, usage.value) ? null : reportedUsage(jsonAt(rest, usage.value));
	}
	return null;
}

function field(value: unknown, name: string): unknown {
	return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null;
}

function count(usage: unknown, name: string): Tokens | null {
	return whole(field(usage, name));
}

function whole(value: unknown): Tokens | null {
	return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}

function absent(usage: unknown, name: string): boolean {
	return (field(usage, name) ?? null) === null;
}

function difference(total: Tokens | null, part: Tokens | null): Tokens | null {
	return total !== null && part !== null && part <= total ? total - part : null;
}
