import { isobarError } from "../../src/shared/http/errors.ts";

export const UNREACHABLE = isobarError("run_unavailable", "The run cannot be reached; every call may be repeated", {
	retryAfter: 1,
});

/** Whether a call failed because an object could not be reached, was reset or has too much to do: not by a bug. The platform
 *  marks such errors. */
export function isUnreachable(error: unknown): boolean {
	if (typeof error !== "object" || error === null) return false;
	const { retryable, overloaded, durableObjectReset } = error as Record<string, unknown>;
	return retryable === true || overloaded === true || durableObjectReset === true;
}
