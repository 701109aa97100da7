import type { CommitError } from "../src/shared/federated/messages.ts";
import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";

/** Of a commit that is not decided, with the parts that are missing. */
export function commitError(error: CommitError, missing: readonly number[]): IsobarError {
	switch (error.code) {
		case "task_unknown":
			return isobarError("update_not_found", error.message);
		case "parts_missing":
			return isobarError("parts_missing", error.message, { details: { missing } });
		case "report_invalid": {
			const { field, message, limit } = error;
			return isobarError("report_invalid", `${field} ${message}`, {
				param: field,
				...(limit !== undefined && { details: { limit } }),
			});
		}
		case "norm_too_large": {
			const { message, norm, limit } = error;
			return isobarError("norm_too_large", message, { details: { norm, limit } });
		}
	}
}

export function unknownClient(client: string): IsobarError {
	return isobarError("client_unknown", `The run has no client ${client}`);
}

export function noUpdate(update: string): IsobarError {
	return isobarError("update_not_found", `This client has no task with the update ${update}`);
}
