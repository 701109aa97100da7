/** The upstream credential that the catalog names: the Worker secret of that name. Null where the pool names none, or the
 *  secret is not set (the catalog's check refuses that; a secret removed since then meets the pool's own 401). */
export function credentialOf(secret: string | undefined, env: object): string | null {
	if (secret === undefined) return null;
	const value = (env as Readonly<Record<string, unknown>>)[secret];
	return typeof value === "string" && value !== "" ? value : null;
}
