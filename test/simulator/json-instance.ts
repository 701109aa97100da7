import { isObject, type JsonObject } from "./fields.ts";

const DEPTH_MAX = 16;

/** The least value that fits a JSON schema, as far as the common keywords go (type, properties, items, enum, const, anyOf,
 *  oneOf, minimum, minItems, minLength, local $ref). Every property is filled in, so that schemas with `required` are met. */
export function instanceOf(schema: unknown): unknown {
	return build(schema, isObject(schema) ? schema : {}, 0);
}

function build(schema: unknown, root: JsonObject, depth: number): unknown {
	if (!isObject(schema) || depth > DEPTH_MAX) return {};
	if ("const" in schema) return schema["const"];
	if (Array.isArray(schema["enum"])) return schema["enum"][0];
	if (typeof schema["$ref"] === "string") return build(resolve(schema["$ref"], root), root, depth + 1);
	for (const keyword of ["anyOf", "oneOf", "allOf"])
		if (Array.isArray(schema[keyword])) return build(schema[keyword][0], root, depth + 1);
	const type = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
	switch (type) {
		case "string":
			return "simulated".padEnd(atLeast(schema, "minLength"), "x");
		case "integer":
		case "number":
			return atLeast(schema, "minimum");
		case "boolean":
			return true;
		case "null":
			return null;
		case "array":
			return Array.from({ length: atLeast(schema, "minItems") }, () => build(schema["items"], root, depth + 1));
		default:
			return buildObject(schema, root, depth);
	}
}

function buildObject(schema: JsonObject, root: JsonObject, depth: number): JsonObject {
	if (!isObject(schema["properties"])) return {};
	const members = Object.entries(schema["properties"]).map(([name, member]) => [name, build(member, root, depth + 1)]);
	return Object.fromEntries(members);
}

function atLeast(schema: JsonObject, keyword: string): number {
	const value = schema[keyword];
	return typeof value === "number" ? value : 0;
}

function resolve(reference: string, root: JsonObject): unknown {
	let target: unknown = root;
	for (const part of reference.split("/").slice(1)) target = isObject(target) ? target[part] : undefined;
	return target;
}
