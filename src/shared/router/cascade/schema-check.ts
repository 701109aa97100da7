import { dereference, Validator, type Schema } from "@cfworker/json-schema";
import { isRecord, list, text } from "./json-fields.ts";
import { schemaWork } from "./schema-work.ts";

/** Larger schemas are not judged: everything passes. */
const SCHEMA_CHARS_MAX = 64 * 1024;
const DEPTH_MAX = 64;
/** Schemas times characters of the instance: some tens of milliseconds. What is more is not judged either. */
const WORK_MAX = 20_000_000;

/** Judges JSON texts by one schema. */
export interface SchemaCheck {
	/** What is wrong, in some words; null where nothing is, or it cannot be told. */
	problem(instance: string): string | null;
}

/** A check for a client's schema. `pattern`, `patternProperties` and `format` are left out of it: they are regular expressions
 *  of a stranger's, which may take for ever; and `uniqueItems`, whose work is quadratic. A schema that is none, refers to
 *  itself, or is too large passes everything: whether it is good is the pool's affair. */
export function schemaCheck(schema: unknown): SchemaCheck {
	const validator = validatorOf(schema);
	const work = validator === null ? 0 : schemaWork(schema);
	return {
		problem(instance) {
			const parsed = parsedJson(instance);
			if (!parsed.ok) return "is no JSON";
			if (!validator || instance.length * work > WORK_MAX) return null;
			try {
				const { valid, errors } = validator.validate(parsed.value);
				return valid ? null : (errors.at(-1)?.error ?? "does not fit its schema");
			} catch {
				// It nests deeper than the stack does.
				return null;
			}
		},
	};
}

function validatorOf(schema: unknown): Validator | null {
	if (!isRecord(schema) || JSON.stringify(schema).length > SCHEMA_CHARS_MAX) return null;
	const tame = withoutPatterns(schema, 0);
	if (tame === undefined || schemaWork(tame) === Infinity) return null;
	try {
		dereference(tame as Schema);
		return new Validator(tame as Schema, "2020-12", true);
	} catch {
		return null;
	}
}

const LEFT_OUT: ReadonlySet<string> = new Set([
	"pattern",
	"patternProperties",
	"format",
	"uniqueItems",
	"$id",
	"$schema",
	"id",
]);
/** Their members are names of properties and no keywords. */
const NAMED: ReadonlySet<string> = new Set(["properties", "$defs", "definitions", "dependentSchemas"]);
/** Their values are instances and no schemas. */
const VALUES: ReadonlySet<string> = new Set(["const", "enum", "default", "examples", "required", "dependentRequired"]);

/** A copy that holds no regular expression; undefined where it nests too deep. */
function withoutPatterns(schema: unknown, depth: number): unknown {
	if (depth > DEPTH_MAX) return undefined;
	if (Array.isArray(schema)) {
		const items = schema.map((item) => withoutPatterns(item, depth + 1));
		return items.includes(undefined) ? undefined : items;
	}
	if (!isRecord(schema)) return schema;
	const copy: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(schema)) {
		if (LEFT_OUT.has(name)) continue;
		const kept = VALUES.has(name)
			? value
			: NAMED.has(name)
				? eachIn(value, depth + 1)
				: withoutPatterns(value, depth + 1);
		if (kept === undefined) return undefined;
		copy[name] = kept;
	}
	return copy;
}

function eachIn(schemas: unknown, depth: number): unknown {
	if (!isRecord(schemas)) return schemas;
	const copy: Record<string, unknown> = {};
	for (const [name, schema] of Object.entries(schemas)) {
		const kept = withoutPatterns(schema, depth + 1);
		if (kept === undefined) return undefined;
		copy[name] = kept;
	}
	return copy;
}

function parsedJson(json: string): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
	try {
		return { ok: true, value: JSON.parse(json) };
	} catch {
		return { ok: false };
	}
}

/** The checks that a request asks for itself. */
export interface RequestedShape {
	/** `response_format`: the answer must be JSON, and fit this. */
	readonly format: SchemaCheck | null;
	/** By the tool's name, its parameters; null where the request names no tools. */
	readonly tools: ReadonlyMap<string, SchemaCheck> | null;
}

/** What shape a request wants its answer in, from its body's `response_format`, `tools` and `functions`. */
export function requestedShape(body: {
	readonly response_format?: unknown;
	readonly tools?: unknown;
	readonly functions?: unknown;
}): RequestedShape {
	const functions = [
		...list(body.tools).map((tool) => (isRecord(tool) ? tool["function"] : undefined)),
		...list(body.functions),
	].filter(isRecord);
	const tools = functions.map(({ name, parameters }) => [text(name), schemaCheck(parameters)] as const);
	return { format: formatOf(body.response_format), tools: tools.length > 0 ? new Map(tools) : null };
}

function formatOf(format: unknown): SchemaCheck | null {
	if (!isRecord(format)) return null;
	if (format["type"] === "json_object") return schemaCheck({ type: "object" });
	if (format["type"] !== "json_schema") return null;
	return schemaCheck(isRecord(format["json_schema"]) ? format["json_schema"]["schema"] : undefined);
}
