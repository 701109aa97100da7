import type { MiddlewareHandler } from "hono";
import { isSameSecret } from "../../src/adapters/same-secret.ts";
import { errorResponse, isobarError } from "../../src/shared/http/errors.ts";

/** Lets through what carries the secret `ADMIN_TOKEN` as its bearer token. A deployment without one has no administrator. */
export const requireAdminToken: MiddlewareHandler<{ Bindings: Env }> = async (c, next) => {
	const token = /^bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
	if (!token) return refuse("Send the ADMIN_TOKEN as `Authorization: Bearer ...`");
	// The binding is missing at run time where the secret was never set.
	const expected = (c.env.ADMIN_TOKEN as string | undefined) ?? "";
	if (expected === "") return refuse("The secret ADMIN_TOKEN is not set on this deployment");
	if (!(await isSameSecret(token, expected))) return refuse("This is not the ADMIN_TOKEN");
	return next();
};

function refuse(message: string): Response {
	const response = errorResponse(isobarError("admin_token_invalid", message));
	response.headers.set("www-authenticate", "Bearer");
	return response;
}
