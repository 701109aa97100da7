import { ok, type Result } from "../result.ts";
import { PARAMETERS_MAX } from "./sizes.ts";
import { refused, type ManifestError } from "./manifest-error.ts";

/** How a tensor is stored in a safetensors file. Integer tensors are not averaged, so they are not taken. */
export type TensorType = "F32" | "F16" | "BF16";

export const TENSOR_TYPE_BYTES: Readonly<Record<TensorType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** One tensor of a model. `offset` counts parameters: all tensors stand behind one another as one vector of f32. */
export interface Tensor {
	readonly name: string;
	readonly type: TensorType;
	readonly shape: readonly number[];
	readonly offset: number;
	readonly parameters: number;
}

/** What a run's model is: its tensors in the order in which their data stands in the file it was made from. */
export interface Manifest {
	readonly tensors: readonly Tensor[];
	readonly parameters: number;
}

/** Parameters of a tensor of this shape; a scalar has one. */
export function parametersOf(shape: readonly number[]): number {
	return shape.reduce((product, size) => product * size, 1);
}

/** Puts tensors behind one another, in the order given. */
export function manifestOf(tensors: readonly Omit<Tensor, "offset" | "parameters">[]): Result<Manifest, ManifestError> {
	const placed: Tensor[] = [];
	let offset = 0;
	for (const { name, type, shape } of tensors) {
		const parameters = parametersOf(shape);
		placed.push({ name, type, shape, offset, parameters });
		offset += parameters;
		if (offset > PARAMETERS_MAX) {
			return refused("model_too_large", `more than ${PARAMETERS_MAX} parameters`, {
				tensor: name,
				limit: PARAMETERS_MAX,
			});
		}
	}
	if (offset === 0) return refused("model_empty", "the model has no parameters");
	return ok({ tensors: placed, parameters: offset });
}

/** What keeps `other` from standing for `model`: its tensors must have the same names, shapes and order; types may differ. */
export function differenceOf(model: Manifest, other: Manifest): ManifestError | null {
	for (const [index, tensor] of model.tensors.entries()) {
		const found = other.tensors[index];
		if (!found) return mismatch(tensor.name, "is missing");
		if (found.name !== tensor.name) return mismatch(found.name, `stands where the run's model has "${tensor.name}"`);
		if (found.shape.length !== tensor.shape.length || found.shape.some((size, axis) => size !== tensor.shape[axis])) {
			return mismatch(tensor.name, `has shape [${found.shape.join(", ")}], not [${tensor.shape.join(", ")}]`);
		}
	}
	const extra = other.tensors[model.tensors.length];
	return extra ? mismatch(extra.name, "is not in the run's model") : null;
}

function mismatch(tensor: string, message: string): ManifestError {
	return { code: "model_mismatch", tensor, message: `tensor "${tensor}" ${message}` };
}
