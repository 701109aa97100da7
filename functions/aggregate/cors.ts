import type { Context, MiddlewareHandler } from "hono";

/** Any page may be a client: it signs its requests, and no cookie counts. */
export const corsHeaders: MiddlewareHandler = async (c, next) => {
	await next();
	if (c.res.status === 101) return;
	c.res = new Response(c.res.body, c.res);
	c.res.headers.set("access-control-allow-origin", "*");
	c.res.headers.set(
		"access-control-expose-headers",
		"date, etag, content-range, accept-ranges, retry-after, x-should-retry, x-isobar-version, x-isobar-digest",
	);
};

export function preflight(c: Context): Response {
	return c.body(null, 204, {
		"access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE",
		"access-control-allow-headers":
			"authorization, content-type, idempotency-key, content-digest, content-range, signature, signature-input, range, if-none-match, if-range, last-event-id",
		"access-control-max-age": "86400",
	});
}
