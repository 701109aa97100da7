import type * as z from "zod";
import { readBytes } from "../../src/adapters/read-bytes.ts";
import { problemsError, problemsFrom } from "../../src/shared/catalog/problems.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

const SMALL_BODY_BYTES_MAX = 100_000;

/** JSON in UTF-8, or `invalid_json`. An empty body is an empty object. */
export function parseJson(bytes: Uint8Array): Result<unknown, IsobarError> {
	if (bytes.byteLength === 0) return ok({});
	try {
		return ok(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)));
	} catch (error) {
		const reason = error instanceof Error ? error.message : "unreadable";
		return err(isobarError("invalid_json", `The body is not JSON: ${reason}`));
	}
}

/** Bytes as JSON of this shape, or `invalid_json`, `invalid_request`. */
export function readShape<S extends z.ZodType>(bytes: Uint8Array, schema: S): Result<z.output<S>, IsobarError> {
	const json = parseJson(bytes);
	if (!json.ok) return json;
	const parsed = schema.safeParse(json.value);
	if (parsed.success) return ok(parsed.data);
	return err(problemsError("invalid_request", "The body is not valid", problemsFrom(parsed.error)));
}

/** The body as JSON of this shape. */
export async function readBody<S extends z.ZodType>(
	request: Request,
	schema: S,
	bytesMax = SMALL_BODY_BYTES_MAX,
): Promise<Result<z.output<S>, IsobarError>> {
	const bytes = await readBytes(request, bytesMax);
	return bytes.ok ? readShape(bytes.value, schema) : bytes;
}

/** The query's parameters in this shape, or `invalid_request`. */
export function readQuery<S extends z.ZodType>(url: string, schema: S): Result<z.output<S>, IsobarError> {
	const parsed = schema.safeParse(Object.fromEntries(new URL(url).searchParams));
	if (parsed.success) return ok(parsed.data);
	return err(problemsError("invalid_request", "The query is not valid", problemsFrom(parsed.error)));
}
