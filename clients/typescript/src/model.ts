import { decode } from "../../../src/shared/federated/decode.ts";
import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { TENSOR_TYPE_BYTES, type Manifest, type TensorType } from "../../../src/shared/federated/manifest.ts";
import { readFileHead, writeFileHead } from "../../../src/shared/federated/safetensors.ts";
import { rowsOf } from "../../../src/shared/federated/shard-plan.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import { hexOf, sha256 } from "./encode-text.ts";
import { ClientError } from "./errors.ts";

export interface ModelTensor {
	readonly shape: readonly number[];
	/** A view of the model's values: what is written here is in the model. */
	readonly values: Float32Array<ArrayBuffer>;
}

/** A model: all its numbers as one vector, and its tensors as views of it. */
export class Model {
	readonly values: Float32Array<ArrayBuffer>;
	readonly manifest: Manifest;
	readonly tensors: ReadonlyMap<string, ModelTensor>;

	constructor(manifest: Manifest, values: Float32Array<ArrayBuffer>) {
		this.manifest = manifest;
		this.values = values;
		this.tensors = new Map(
			manifest.tensors.map(({ name, shape, offset, parameters }) => [
				name,
				{ shape, values: values.subarray(offset, offset + parameters) },
			]),
		);
	}

	/** The values of a tensor; throws if the model has none of that name. */
	tensor(name: string): Float32Array<ArrayBuffer> {
		const tensor = this.tensors.get(name);
		if (!tensor) throw new ClientError("model_invalid", `the model has no tensor "${name}"`);
		return tensor.values;
	}

	copy(): Model {
		return new Model(this.manifest, this.values.slice());
	}

	/** The digest that names a version with these values: of the digests of its rows. */
	async digest(): Promise<string> {
		const rows = rowsOf({ begin: 0, end: this.values.length });
		const digests = new Uint8Array(rows.length * 32);
		for (const [row, { begin, end }] of rows.entries()) {
			const bytes = new Uint8Array(this.values.buffer, this.values.byteOffset + begin * 4, (end - begin) * 4);
			digests.set(await sha256(bytes), row * 32);
		}
		return hexOf(await sha256(digests));
	}
}

const ENCODING_OF: Readonly<Record<TensorType, Encoding>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** Reads a safetensors file whose tensors are F32, F16 or BF16. */
export function readSafetensors(file: Uint8Array<ArrayBuffer>): Model {
	const head = readFileHead(file);
	if (!head.ok) throw new ClientError("model_invalid", head.error.message);
	const { manifest, dataOffset, dataBytes } = head.value;
	if (file.length !== dataOffset + dataBytes) {
		throw new ClientError("model_invalid", `the file has ${file.length} bytes, not ${dataOffset + dataBytes}`);
	}
	const values = new Float32Array(manifest.parameters);
	let at = dataOffset;
	for (const { type, offset, parameters } of manifest.tensors) {
		decode(ENCODING_OF[type], file.subarray(at), values.subarray(offset, offset + parameters));
		at += parameters * TENSOR_TYPE_BYTES[type];
	}
	return new Model(manifest, values);
}

/** A safetensors file with all tensors of one type. */
export function writeSafetensors(
	{ manifest, values }: Pick<Model, "manifest" | "values">,
	type: TensorType = "F32",
	metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
	const head = writeFileHead(manifest, type, metadata);
	const data = encode(ENCODING_OF[type], values);
	const file = new Uint8Array(head.length + data.length);
	file.set(head);
	file.set(data, head.length);
	return file;
}

/** A model of zeros with tensors of these names and shapes, in this order. */
export function zeroModel(shapes: Readonly<Record<string, readonly number[]>>): Model {
	let offset = 0;
	const tensors = Object.entries(shapes).map(([name, shape]) => {
		const parameters = shape.reduce((product, size) => product * size, 1);
		const tensor = { name, type: "F32" as const, shape, offset, parameters };
		offset += parameters;
		return tensor;
	});
	return new Model({ tensors, parameters: offset }, new Float32Array(offset));
}
