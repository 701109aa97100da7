import { isobarError, type IsobarError } from "../shared/http/errors.ts";
import { err, ok, type Result } from "../shared/result.ts";

/** Of a body over the limit, how much is read all the same: most clients read no answer before they have sent everything. */
const DISCARDED_BYTES_MAX = 100_000_000;

/** The body's media type out of `types`, or `media_type_unsupported`. */
export function mediaType<T extends string>(
	request: Request,
	types: Readonly<Record<string, T>>,
): Result<T, IsobarError> {
	const encoding = request.headers.get("content-encoding") ?? "identity";
	if (encoding !== "identity") {
		const message = `Content-Encoding ${JSON.stringify(encoding)} is not supported; send the body as it is`;
		return err(isobarError("media_type_unsupported", message, { param: "content-encoding" }));
	}
	const name = (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
	const type = Object.hasOwn(types, name) ? types[name] : undefined;
	if (type !== undefined) return ok(type);
	const message = `Content-Type ${JSON.stringify(name)} is not supported; send ${Object.keys(types).join(" or ")}`;
	return err(isobarError("media_type_unsupported", message, { param: "content-type" }));
}

/** The body, of at most `bytesMax`, or `body_too_large`. Never more than that is held. */
export async function readBytes(request: Request, bytesMax: number): Promise<Result<Uint8Array, IsobarError>> {
	const chunks: Uint8Array[] = [];
	let size = 0;
	try {
		for await (const chunk of request.body ?? []) {
			size += chunk.byteLength;
			if (size > bytesMax + DISCARDED_BYTES_MAX) break;
			if (size <= bytesMax) chunks.push(chunk);
			else chunks.length = 0;
		}
	} catch {
		return err(isobarError("invalid_request", "The body broke off"));
	}
	if (size > bytesMax) {
		const message = `The body has ${size} bytes or more; the limit is ${bytesMax} bytes`;
		return err(isobarError("body_too_large", message, { details: { limit_bytes: bytesMax } }));
	}
	if (chunks.length === 1) return ok(chunks[0]!);
	const bytes = new Uint8Array(size);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.byteLength;
	}
	return ok(bytes);
}
