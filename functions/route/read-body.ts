import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { REQUEST_BODY_BYTES_MAX } from "../../src/shared/limits.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { concat } from "./read-up-to.ts";

/** Of a body over the limit, how much is read all the same; Cloudflare itself refuses more than 100 MB on most plans. */
const DISCARDED_BYTES_MAX = 100_000_000;

/** The request's body, read whole but never over the limit. */
export async function readBody(request: Request): Promise<Result<Uint8Array, IsobarError>> {
	const encoding = request.headers.get("content-encoding");
	if (encoding !== null && encoding !== "identity") {
		return err(
			isobarError(
				"media_type_unsupported",
				`Content-Encoding ${JSON.stringify(encoding)} is not supported; send the JSON as it is.`,
			),
		);
	}
	const type = request.headers.get("content-type");
	if (type !== null && /^(multipart|image|audio|video)\//i.test(type)) {
		return err(
			isobarError(
				"media_type_unsupported",
				`Content-Type ${JSON.stringify(type)} is not supported; send application/json.`,
			),
		);
	}
	const length = request.headers.get("content-length");
	if (length !== null) {
		if (Number(length) > REQUEST_BODY_BYTES_MAX) {
			await discard(request.body);
			return err(tooLarge(Number(length)));
		}
		return ok(new Uint8Array(await request.arrayBuffer()));
	}
	const chunks: Uint8Array[] = [];
	let size = 0;
	if (request.body) {
		for await (const chunk of request.body) {
			size += chunk.byteLength;
			if (size > REQUEST_BODY_BYTES_MAX + DISCARDED_BYTES_MAX) break;
			if (size <= REQUEST_BODY_BYTES_MAX) chunks.push(chunk);
			else chunks.length = 0;
		}
	}
	return size > REQUEST_BODY_BYTES_MAX ? err(tooLarge(size)) : ok(concat(chunks, size));
}

/** Most clients read no answer before they have sent everything: they would see a broken connection and not the limit. */
async function discard(body: ReadableStream<Uint8Array> | null): Promise<void> {
	let size = 0;
	if (!body) return;
	for await (const chunk of body) {
		size += chunk.byteLength;
		if (size > DISCARDED_BYTES_MAX) break;
	}
}

function tooLarge(size: number): IsobarError {
	return isobarError(
		"body_too_large",
		`The body has ${size} bytes or more; the limit is ${REQUEST_BODY_BYTES_MAX} bytes (20 MiB).`,
		{
			details: { limit_bytes: REQUEST_BODY_BYTES_MAX },
		},
	);
}
