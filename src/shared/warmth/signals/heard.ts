import type { Seconds } from "../../units.ts";

/** What a status call was answered. */
export interface HeardStatus {
	readonly status: number;
	readonly body: string;
	/** Unix seconds. */
	readonly at: Seconds;
}

/** The object that a body is; null for any other body. */
export function objectIn(body: string): Readonly<Record<string, unknown>> | null {
	try {
		return asObject(JSON.parse(body));
	} catch {
		return null;
	}
}

/** The value as an object whose members may be anything; null for what is none. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
}

/** A member that counts something, zero when it is absent; null when it is no count. */
export function countIn(object: Readonly<Record<string, unknown>>, name: string): number | null {
	const value = object[name] ?? 0;
	return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : null;
}
