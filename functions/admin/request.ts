import * as z from "zod";
import { problemsError, problemsFrom } from "../../src/shared/catalog/problems.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

/** The body as text; `tooLarge` as soon as it has more than `bytesMax`, whatever its header says. */
export async function readText(
	request: Request,
	bytesMax: number,
	tooLarge: IsobarError,
): Promise<Result<string, IsobarError>> {
	if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return err(tooLarge);
	if (!request.body) return ok("");
	const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
	let bytes = 0;
	let text = "";
	try {
		for await (const chunk of request.body) {
			bytes += chunk.byteLength;
			// Leaving the loop cancels the stream.
			if (bytes > bytesMax) return err(tooLarge);
			text += decoder.decode(chunk, { stream: true });
		}
		return ok(text + decoder.decode());
	} catch {
		return err(isobarError("invalid_json", "The body is not UTF-8, or broke off"));
	}
}

const SMALL_BODY_BYTES_MAX = 100_000;

/** The body as JSON of this shape, or `invalid_json`, `invalid_request`, `body_too_large`. */
export async function readJson<S extends z.ZodType>(
	request: Request,
	schema: S,
): Promise<Result<z.output<S>, IsobarError>> {
	const tooLarge = isobarError("body_too_large", `This body may have ${SMALL_BODY_BYTES_MAX} bytes at most`, {
		details: { limit_bytes: SMALL_BODY_BYTES_MAX },
	});
	const text = await readText(request, SMALL_BODY_BYTES_MAX, tooLarge);
	if (!text.ok) return text;
	let value: unknown;
	try {
		value = JSON.parse(text.value);
	} catch (error) {
		return err(
			isobarError("invalid_json", `The body is not JSON: ${error instanceof Error ? error.message : "unreadable"}`),
		);
	}
	return check(value, schema, "The body is not valid");
}

/** The query's parameters in this shape, or `invalid_request`. */
export function readQuery<S extends z.ZodType>(
	query: Record<string, string>,
	schema: S,
): Result<z.output<S>, IsobarError> {
	return check(query, schema, "The query is not valid");
}

/** `?dry_run=1`; absent or 0: no. */
export const flag = z
	.enum(["0", "1", "false", "true"])
	.default("0")
	.transform((text) => text === "1" || text === "true");

/** A whole number in a query. */
export function whole(min: number, max: number) {
	return z
		.string()
		.regex(/^\d{1,9}$/, "a whole number")
		.transform(Number)
		.pipe(z.number().min(min).max(max));
}

/** The catalog version that `If-Match` or `If-None-Match` names: `"7"`, also without quotes; null: the header is absent. */
export function versionTag(header: string | undefined): Result<number | null, IsobarError> {
	if (header === undefined || header.trim() === "*") return ok(null);
	const version = /^(?:W\/)?"?(\d{1,9})"?$/.exec(header.trim())?.[1];
	if (version) return ok(Number(version));
	return err(
		isobarError("invalid_request", `If-Match must name one catalog version, such as "7"`, { param: "if-match" }),
	);
}

function check<S extends z.ZodType>(value: unknown, schema: S, what: string): Result<z.output<S>, IsobarError> {
	const parsed = schema.safeParse(value);
	return parsed.success ? ok(parsed.data) : err(problemsError("invalid_request", what, problemsFrom(parsed.error)));
}
