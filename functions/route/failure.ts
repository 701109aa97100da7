import type { Ended } from "../../src/shared/scheduler/messages.ts";
import { ERRORS, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Seconds } from "../../src/shared/units.ts";

/** How an attempt failed, as the scheduler's health wants to know it and as the client is told. */
export interface Failure {
	readonly kind: NonNullable<Ended["failure"]>;
	/** The pool's HTTP status, where there was one. */
	readonly status: number | null;
	readonly retryAfter: Seconds | null;
	readonly detail: string;
}

/** Seconds of a Retry-After header: a number, or a date against `now` (Unix seconds). Null when absent or unreadable. */
export function retryAfterSeconds(header: string | null, now: Seconds): Seconds | null {
	if (header === null) return null;
	const text = header.trim();
	if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
	const date = Date.parse(text);
	return Number.isNaN(date) ? null : Math.max(0, date / 1_000 - now);
}

/** A pool's status that is the pool's trouble and not the client's: another replica may do better. 401, 403 and 404 are
 *  ours to mend (a wrong credential, a model that the pool does not serve), never the client's. */
export function failureOfStatus(status: number, retryAfter: Seconds | null): Failure | null {
	if (status === 429 || status === 503 || status === 529) {
		return { kind: "busy", status, retryAfter, detail: `the pool answered ${status}` };
	}
	if (status >= 500 || status === 401 || status === 403 || status === 404 || status === 408 || status === 407) {
		return { kind: "status", status, retryAfter, detail: `the pool answered ${status}` };
	}
	return null;
}

/** Of a name that does not resolve, and of some other failures to connect, the runtime gives only a number for its own log. */
const RUNTIME_REFERENCE = /^internal error; reference = /;

/** What went wrong on the way to a pool, for the middle of a sentence. */
export function plainMessage(error: unknown): string {
	const message = error instanceof Error ? error.message : String(error);
	if (RUNTIME_REFERENCE.test(message)) return "the pool cannot be reached, or the name of its host does not resolve";
	return message.replace(/\.+$/, "");
}

/** The error for a client whose request failed at every replica that was tried. */
export function errorOfFailure(failure: Failure, attempts: number): IsobarError {
	const details = { attempts, upstream_status: failure.status, reason: failure.detail };
	const tried = attempts === 1 ? "one attempt" : `${attempts} attempts`;
	switch (failure.kind) {
		case "busy":
			return isobarError("upstream_rate_limited", `The pools are busy: ${failure.detail} (${tried}).`, {
				details,
				retryAfter: failure.retryAfter ?? 1,
			});
		case "timeout":
			return isobarError("upstream_timeout", `The pool did not answer in time: ${failure.detail} (${tried}).`, {
				details,
			});
		case "garbage":
			return isobarError("upstream_garbage", `The pool's answer was not readable: ${failure.detail} (${tried}).`, {
				details,
			});
		case "cut":
			return isobarError("upstream_cut", `The pool cut its answer: ${failure.detail} (${tried}).`, { details });
		case "status":
			if (failure.status === ERRORS.loop_detected.status) {
				return isobarError("loop_detected", `A pool leads back to a gateway: ${failure.detail} (${tried}).`, {
					details,
				});
			}
			return isobarError("upstream_failed", `The pool failed: ${failure.detail} (${tried}).`, { details });
		case "connect":
			return isobarError("upstream_failed", `The pool failed: ${failure.detail} (${tried}).`, { details });
	}
}
