export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The string, or an empty one in place of anything else. */
export function text(value: unknown): string {
	return typeof value === "string" ? value : "";
}

/** The list, or an empty one in place of anything else. */
export function list(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}
