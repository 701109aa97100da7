import { err, type Result } from "../result.ts";

/** Why a model, or a file that holds one, is refused. */
export interface ManifestError {
	readonly code:
		| "file_cut"
		| "header_too_large"
		| "header_invalid"
		| "too_many_tensors"
		| "tensor_invalid"
		| "type_unsupported"
		| "layout_invalid"
		| "model_too_large"
		| "model_empty"
		| "model_mismatch";
	readonly message: string;
	readonly tensor?: string;
	/** The bound that was exceeded. */
	readonly limit?: number;
}

export function refused(
	code: ManifestError["code"],
	message: string,
	extra: Omit<ManifestError, "code" | "message"> = {},
): Result<never, ManifestError> {
	return err({ code, message, ...extra });
}
