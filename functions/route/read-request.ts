import { overridesSchema, type Overrides } from "../../src/shared/catalog/policy.ts";
import type { Capability } from "../../src/shared/catalog/schema.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { ROUTE_HEADER, readControls, type ReadControls } from "../../src/shared/router/controls.ts";
import { readList, routerNamed, type Target } from "../../src/shared/router/target.ts";
import { skipSpace } from "../../src/shared/http/json-grammar.ts";
import {
	elementCount,
	elementSizes,
	member,
	nestedMember,
	topLevelMembers,
	type Member,
} from "../../src/shared/http/json-members.ts";
import { booleanAt, jsonText, type JsonText, type Span } from "../../src/shared/http/json-values.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { PROMPT_MEMBER, type Endpoint } from "../../src/shared/scheduler/messages.ts";
import type { Tokens } from "../../src/shared/units.ts";
import { attachmentsOf, NO_ATTACHMENTS, type Attachments } from "./attachments.ts";
import { BodyFields } from "./body-fields.ts";

/** What the gateway reads of a request; everything else in the body is the pool's business. */
export interface RoutedRequest {
	readonly endpoint: Endpoint;
	readonly json: JsonText;
	readonly members: readonly Member[];
	/** As the client named it: a model, a router, or a list of models as JSON. */
	readonly model: string;
	/** Whom it lets choose the model; null where it names one and says nothing of routing. */
	readonly route: RouteRequest | null;
	readonly stream: boolean;
	/** The client wants the usage event itself. */
	readonly includeUsage: boolean;
	/** As the client said, of one choice; null where it said nothing. */
	readonly maxTokens: Tokens | null;
	/** Answers that a pool makes: `n`, or `best_of` where that is more, times the number of prompts. */
	readonly choices: number;
	/** Those of them that come back: `n` times the number of prompts. */
	readonly choicesGiven: number;
	readonly needs: readonly Capability[];
	/** How many prompts: a batch of completions or embeddings has several. */
	readonly prompts: number;
	/** Bytes that become prompt tokens, attachments aside: of all prompts, and of the longest. */
	readonly promptBytes: number;
	readonly longestPromptBytes: number;
	/** Never more prompt tokens than this: a token is a byte at least of whatever a pool may put into the prompt, an attachment
	 *  has its cap. */
	readonly promptTokensMax: Tokens;
	/** Where the prompt stands. */
	readonly prompt: Span;
	readonly overrides: Overrides;
}

export interface RouteRequest extends ReadControls {
	readonly target: Target;
}

const CHOICES_MAX = 1_024;
const TOKENS_MAX = 10_000_000;

/** Members that are read, or changed on their way. */
const READ: ReadonlySet<string> = new Set([
	"model",
	...Object.values(PROMPT_MEMBER),
	"stream",
	"stream_options",
	"max_tokens",
	"max_completion_tokens",
	"n",
	"best_of",
	"tools",
	"functions",
	"response_format",
	"logprobs",
	"isobar",
	"cache_salt",
	"extra_key",
	"prompt_cache_key",
	"user",
]);
/** Of a body's texts, lists and objects all may become prompt (a pool's template decides) but these. */
const NO_PROMPT: ReadonlySet<string> = new Set([
	"model",
	"stream_options",
	"isobar",
	"cache_salt",
	"extra_key",
	"prompt_cache_key",
	"user",
]);

/** Reads a body as the endpoint needs it. Checks the types of what it reads, and no more. `routeHeader`: `x-isobar-route`. */
export function readRequest(
	endpoint: Endpoint,
	bytes: Uint8Array,
	routeHeader: string | null = null,
): Result<RoutedRequest, IsobarError> {
	const json = jsonText(bytes);
	const scanned = topLevelMembers(json);
	if (!scanned.ok) {
		const { at, message } = scanned.error;
		return err(
			isobarError("invalid_json", `The body is not valid JSON: ${message} at byte ${at}.`, { details: { at } }),
		);
	}
	const members = scanned.value;
	const fields = new BodyFields(json, members);
	fields.unambiguous(READ);
	const named = namedModels(fields, json);
	const prompt = promptOf(endpoint, fields, json);
	const stream = endpoint !== "embeddings" && (fields.boolean("stream") ?? false);
	// Where both stand the pool decides which one holds.
	const newName = endpoint === "chat" ? fields.count("max_completion_tokens", TOKENS_MAX) : undefined;
	// With `echo` and none a completion scores its prompt.
	const oldName = fields.count("max_tokens", TOKENS_MAX, endpoint === "completions" ? 0 : 1);
	const maxTokens = newName === undefined && oldName === undefined ? null : Math.max(newName ?? 0, oldName ?? 0);
	const n = fields.count("n", CHOICES_MAX) ?? 1;
	const bestOf = endpoint === "embeddings" ? 1 : (fields.count("best_of", CHOICES_MAX) ?? 1);
	const { route: controls = null, ...own } = isobarField(fields);
	const overrides = overridesOf(fields, own);
	if (fields.problem) return err(fields.problem);
	if (!named.ok) return named;
	const route = routeOf(endpoint, named.value, routeHeader, controls);
	if (!route.ok) return route;
	if (!prompt) {
		const name = PROMPT_MEMBER[endpoint];
		return err(isobarError("invalid_request", `The body has no ${name}.`, { param: name }));
	}

	// A plain list of messages holds text alone.
	const mayAttach = endpoint === "chat" && !member(members, PROMPT_MEMBER.chat)?.plain;
	const attachments = mayAttach ? attachmentsOf(json, prompt) : NO_ATTACHMENTS;
	const tools = sizeOf(fields.span("tools")) + sizeOf(fields.span("functions"));
	const promptBytes = sizeOf(prompt) - attachments.bytes + tools;
	const batch = batchOf(endpoint, json, prompt);
	const each = endpoint === "completions" ? batch.count : 1;
	const usage = nestedMember(json, members, "stream_options", "include_usage");
	return ok({
		endpoint,
		json,
		members,
		model: typeof named.value === "string" ? named.value : JSON.stringify(named.value),
		route: route.value,
		stream,
		includeUsage: usage !== undefined && booleanAt(json, usage.value) === true,
		maxTokens,
		choices: Math.max(n, bestOf) * each,
		choicesGiven: n * each,
		needs: needsOf(endpoint, fields, json, prompt, attachments),
		prompts: batch.count,
		promptBytes,
		longestPromptBytes: batch.count > 1 ? batch.longest : promptBytes,
		promptTokensMax: promptableBytes(json, members) - attachments.bytes + attachments.tokensMax,
		prompt,
		overrides,
	});
}

function sizeOf(span: Span | undefined): number {
	return span ? span.end - span.start : 0;
}

function promptableBytes({ text }: JsonText, members: readonly Member[]): number {
	let bytes = 0;
	for (const { name, value } of members) {
		const first = text[value.start];
		if ((first === '"' || first === "[" || first === "{") && !NO_PROMPT.has(name)) bytes += sizeOf(value);
	}
	return bytes;
}

function promptOf(endpoint: Endpoint, fields: BodyFields, json: JsonText): Span | undefined {
	const name = PROMPT_MEMBER[endpoint];
	const span = fields.span(name);
	if (!span) return undefined;
	const first = json.text[span.start];
	if (first === "[" ? !isEmptyList(json, span) : first === '"' && endpoint !== "chat") return span;
	const expected =
		endpoint === "chat" ? "a list of messages that is not empty" : "a string or a list that is not empty";
	return fields.wrong(name, `${name} must be ${expected}.`);
}

function isEmptyList(json: JsonText, span: Span): boolean {
	return firstElement(json, span) === "]";
}

/** What a list begins with: a string, a list of tokens, a token; `]` where it is empty, nothing where it is no list. */
function firstElement({ bytes, text }: JsonText, { start, end }: Span): string {
	return text[start] === "[" ? text.charAt(skipSpace(bytes, start + 1, end)) : "";
}

/** How many prompts there are, and the bytes of the longest. A list of strings or of lists of tokens is a batch. */
function batchOf(
	endpoint: Endpoint,
	json: JsonText,
	prompt: Span,
): { readonly count: number; readonly longest: number } {
	const isBatch = endpoint !== "chat" && /["[]/.test(firstElement(json, prompt));
	return (isBatch && elementSizes(json, prompt)) || { count: 1, longest: prompt.end - prompt.start };
}

function needsOf(
	endpoint: Endpoint,
	fields: BodyFields,
	json: JsonText,
	prompt: Span,
	attachments: Attachments,
): Capability[] {
	const { text } = json;
	const needs: Capability[] = [endpoint];
	const tools = fields.span("tools");
	if (tools && !isEmptyList(json, tools)) needs.push("tools");
	if (attachments.images + attachments.videos > 0) needs.push("vision");
	if (attachments.audio > 0) needs.push("audio");
	const logprobs = fields.span("logprobs");
	if (logprobs && booleanAt(json, logprobs) !== false) needs.push("logprobs");
	const format = fields.span("response_format");
	if (format && text.slice(format.start, format.end).includes('"json_')) needs.push("json");
	if (endpoint !== "chat" && /[[\d]/.test(firstElement(json, prompt))) needs.push("token_prompts");
	return needs;
}

/** A name, or a list of names. */
function namedModels(fields: BodyFields, json: JsonText): Result<string | readonly string[], IsobarError> {
	const span = fields.span("model");
	// The list is no longer than it may be before it is parsed.
	if (span && json.text[span.start] === "[") return readList(elementCount(json, span) ?? 0, () => fields.json("model"));
	const model = fields.string("model");
	if (model !== undefined && model !== "") return ok(model);
	return err(isobarError("model_missing", "The body names no model; GET /v1/models lists them.", { param: "model" }));
}

function routeOf(
	endpoint: Endpoint,
	named: string | readonly string[],
	header: string | null,
	body: unknown,
): Result<RouteRequest | null, IsobarError> {
	const router = typeof named === "string" ? routerNamed(named) : undefined;
	if (typeof named === "string" && router === undefined && header === null && body === null) return ok(null);
	if (endpoint === "embeddings") {
		const isNamed = typeof named === "string" && router === undefined;
		const message = isNamed
			? "Embeddings take no controls of a router: they name one model."
			: "Vectors of different models cannot be compared: embeddings name one model, and nothing chooses it.";
		const param = isNamed ? (body === null ? ROUTE_HEADER : "isobar.route") : "model";
		return err(isobarError("invalid_request", message, { param }));
	}
	const controls = readControls(header, body);
	if (!controls.ok) return controls;
	// One that names its model is a list of one: what it demands is checked all the same.
	const models = typeof named === "string" ? [named] : named;
	return ok({ target: router === undefined ? { models } : { router }, ...controls.value });
}

/** The members of the body field `isobar`. */
function isobarField(fields: BodyFields): { readonly route?: unknown; readonly [name: string]: unknown } {
	const value = fields.json("isobar");
	if (value === undefined) return {};
	if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
	fields.wrong("isobar", "isobar must be an object.");
	return {};
}

function overridesOf(fields: BodyFields, value: object): Overrides {
	// Without any there is nothing to check.
	if (Object.keys(value).length === 0) return {};
	const parsed = overridesSchema().safeParse(value);
	if (parsed.success) return parsed.data;
	const issue = parsed.error.issues[0]!;
	const param = ["isobar", ...issue.path.map(String)].join(".");
	fields.wrong(param, `${param}: ${issue.message}.`);
	return {};
}
