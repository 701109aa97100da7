import { decode } from "../../src/shared/federated/decode.ts";
import type { Encoding } from "../../src/shared/federated/encoding.ts";
import { TENSOR_TYPE_BYTES, type Manifest, type TensorType } from "../../src/shared/federated/manifest.ts";
import type { ParameterRange } from "../../src/shared/federated/shard-plan.ts";

const ENCODING: Readonly<Record<TensorType, Encoding>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** Where the parameters of a model stand in the data of its file, in which tensors may have different types. */
export class WeightsFile {
	readonly #manifest: Manifest;
	/** Byte in the data at which each tensor begins. */
	readonly #starts: readonly number[];
	readonly #dataBytes: number;

	constructor(manifest: Manifest) {
		this.#manifest = manifest;
		let at = 0;
		this.#starts = manifest.tensors.map(({ type, parameters }) => {
			const start = at;
			at += parameters * TENSOR_TYPE_BYTES[type];
			return start;
		});
		this.#dataBytes = at;
	}

	/** The byte of the data at which this parameter begins; behind the last, where the data ends. */
	byteOf(parameter: number): number {
		const index = this.#tensorAt(parameter);
		const tensor = this.#manifest.tensors[index];
		if (!tensor) return this.#dataBytes;
		return this.#starts[index]! + (parameter - tensor.offset) * TENSOR_TYPE_BYTES[tensor.type];
	}

	/** The name of the tensor that holds a parameter. */
	tensorOf(parameter: number): string {
		return this.#manifest.tensors[this.#tensorAt(parameter)]?.name ?? "";
	}

	/** Parameters of a range as f32, from the bytes of the file that hold them. */
	decode({ begin, end }: ParameterRange, bytes: Uint8Array): Float32Array<ArrayBuffer> {
		const values = new Float32Array(end - begin);
		let byte = 0;
		for (let index = this.#tensorAt(begin), at = begin; at < end; index++) {
			const { type, offset, parameters } = this.#manifest.tensors[index]!;
			const stop = Math.min(end, offset + parameters);
			const length = (stop - at) * TENSOR_TYPE_BYTES[type];
			decode(ENCODING[type], bytes.subarray(byte, byte + length), values.subarray(at - begin, stop - begin));
			byte += length;
			at = stop;
		}
		return values;
	}

	/** The last tensor that begins at or before a parameter; empty ones hold none. */
	#tensorAt(parameter: number): number {
		const { tensors, parameters } = this.#manifest;
		if (parameter >= parameters) return tensors.length;
		let [low, high] = [0, tensors.length - 1];
		while (low < high) {
			const middle = Math.ceil((low + high) / 2);
			if (tensors[middle]!.offset <= parameter) low = middle;
			else high = middle - 1;
		}
		return low;
	}
}
