import type { MiddlewareHandler } from "hono";
import { ExactReader } from "./exact-reader.ts";

/** A part, and what stands around it. Who sends more into a refusal has to live with a broken connection. */
const DRAINED_BYTES_MAX = 16 * 2 ** 20;

/** Reads to its end a body that was refused unread: most clients read no answer before they have sent everything. */
export const drainRefused: MiddlewareHandler = async (c, next) => {
	await next();
	const { raw } = c.req;
	if (c.res.status >= 400 && raw.body && !raw.bodyUsed && !raw.body.locked) {
		await new ExactReader(raw.body).discard(DRAINED_BYTES_MAX);
	}
};
