import { badRequest, validationError, type VllmError } from "./errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads a body's fields as vLLM's pydantic models do and remembers the first thing that is wrong. Null counts as absent. */
export class Fields {
	readonly #body: JsonObject;
	#error: VllmError | null = null;

	constructor(body: JsonObject) {
		this.#body = body;
	}

	get error(): VllmError | null {
		return this.#error;
	}

	get(name: string): unknown {
		return this.#body[name] ?? undefined;
	}

	fail(error: VllmError): undefined {
		this.#error ??= error;
		return undefined;
	}

	integer(name: string, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
		const value = this.get(name);
		if (value === undefined) return undefined;
		if (typeof value !== "number" || !Number.isInteger(value))
			return this.fail(validationError("int_parsing", [name], "Input should be a valid integer"));
		if (value < least) return this.fail(badRequest(`${name} must be at least ${least}, got ${value}.`, name));
		if (value > most) return this.fail(badRequest(`${name} must be at most ${most}, got ${value}.`, name));
		return value;
	}

	number(name: string, least: number, most: number): number | undefined {
		const value = this.get(name);
		if (value === undefined) return undefined;
		if (typeof value !== "number")
			return this.fail(validationError("float_parsing", [name], "Input should be a valid number"));
		if (value < least || value > most)
			return this.fail(badRequest(`${name} must be in [${least}, ${most}], got ${value}.`, name));
		return value;
	}

	boolean(name: string): boolean {
		const value = this.get(name);
		if (value === undefined || typeof value === "boolean") return value ?? false;
		this.fail(validationError("bool_parsing", [name], "Input should be a valid boolean"));
		return false;
	}

	string(name: string): string | undefined {
		const value = this.get(name);
		if (value === undefined || typeof value === "string") return value;
		return this.fail(validationError("string_type", [name], "Input should be a valid string"));
	}

	object(name: string): JsonObject | undefined {
		const value = this.get(name);
		if (value === undefined || isObject(value)) return value;
		return this.fail(validationError("dict_type", [name], "Input should be a valid dictionary"));
	}
}
