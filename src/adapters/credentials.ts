import { isHeaderValue } from "../shared/http/header-value.ts";

/** The upstream credential that the catalog names: the Worker secret of that name, without the line end that a file puts behind
 *  it. Null where the pool names none, or the secret is not set or can be no header's value (the catalog's check refuses both;
 *  a secret removed or spoilt since then meets the pool's own 401). */
export function credentialOf(secret: string | undefined, env: object): string | null {
	if (secret === undefined) return null;
	const value = (env as Readonly<Record<string, unknown>>)[secret];
	const text = typeof value === "string" ? value.trim() : "";
	return text !== "" && isHeaderValue(text) ? text : null;
}
