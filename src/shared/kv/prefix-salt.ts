import type { Key } from "../catalog/keys.ts";

/** Who shares cached prefixes with requests of this key. Neither a tenant's name nor a group's has a colon, so no two of them
 *  give the same salt. */
export function saltOf({ tenant, policy }: Pick<Key, "tenant" | "policy">): string {
	return policy.prefix_group === undefined ? `tenant:${tenant}` : `group:${policy.prefix_group}`;
}

/** What an engine is given as `cache_salt`. `own` is the client's: it can part the tenant's cache, and never opens another's.
 *  The colon ends the name whatever follows: SGLang puts a body's `extra_key` right behind the salt. */
export function engineSalt(salt: string, own = ""): string {
	return `isobar:${salt}:${own}`;
}
