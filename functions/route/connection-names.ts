const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The headers, in lower case, that a `Connection` header names: they are for the next hop alone (RFC 9110, section 7.6.1). */
export function connectionNames(headers: Headers): readonly string[] {
	const value = headers.get("connection");
	return value === null
		? NONE
		: value
				.toLowerCase()
				.split(",")
				.flatMap((part) => TOKEN.exec(part.trim()) ?? []);
}

const NONE: readonly string[] = [];
