import { ok, type Result } from "../result.ts";
import { refused, type ManifestError } from "./manifest-error.ts";
import {
	manifestOf,
	parametersOf,
	TENSOR_TYPE_BYTES,
	type Manifest,
	type Tensor,
	type TensorType,
} from "./manifest.ts";
import { HEADER_BYTES_MAX, PARAMETERS_MAX, TENSOR_NAME_BYTES_MAX, TENSOR_RANK_MAX, TENSORS_MAX } from "./sizes.ts";

/** The length of the header, a u64, stands before it. Format: github.com/huggingface/safetensors. */
export const LENGTH_BYTES = 8;

/** A safetensors file but for its data. */
export interface FileHead {
	readonly manifest: Manifest;
	/** Where the data begins; behind it come `dataBytes` bytes, tensor after tensor without holes. */
	readonly dataOffset: number;
	readonly dataBytes: number;
}

type Read = Omit<Tensor, "offset" | "parameters"> & { readonly begin: number; readonly end: number };

/** Bytes of the header of a file, of which `start` holds the first eight. */
export function headerBytes(start: Uint8Array): Result<number, ManifestError> {
	if (start.length < LENGTH_BYTES) return refused("file_cut", "the file ends within its first 8 bytes");
	const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
	const bytes = Number(view.getBigUint64(0, true));
	if (bytes > HEADER_BYTES_MAX) {
		const message = `the header would have ${bytes} bytes, and at most ${HEADER_BYTES_MAX} are read`;
		return refused("header_too_large", message, { limit: HEADER_BYTES_MAX });
	}
	return ok(bytes);
}

/** Reads the head of a file from its first bytes, which may be more than the head. */
export function readFileHead(start: Uint8Array): Result<FileHead, ManifestError> {
	const bytes = headerBytes(start);
	if (!bytes.ok) return bytes;
	const dataOffset = LENGTH_BYTES + bytes.value;
	if (start.length < dataOffset) return refused("file_cut", `the file ends within its header of ${bytes.value} bytes`);
	let header: unknown;
	try {
		const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
		header = JSON.parse(text.decode(start.subarray(LENGTH_BYTES, dataOffset)));
	} catch {
		return refused("header_invalid", "the header is not JSON in UTF-8");
	}
	const read = readHeader(header);
	return read.ok ? ok({ ...read.value, dataOffset }) : read;
}

/** Reads a header that was parsed already. Its tensors must cover the data once, from 0 on, without holes. */
export function readHeader(header: unknown): Result<Omit<FileHead, "dataOffset">, ManifestError> {
	if (!isObject(header)) return refused("header_invalid", "the header is not a JSON object");
	const names = Object.keys(header);
	if (names.length > TENSORS_MAX + 1) {
		return refused("too_many_tensors", `more than ${TENSORS_MAX} tensors`, { limit: TENSORS_MAX });
	}
	const tensors: Read[] = [];
	for (const name of names) {
		if (name === "__metadata__") {
			const metadata = header[name];
			if (isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string")) continue;
			return refused("header_invalid", "__metadata__ does not map names to strings");
		}
		const tensor = readTensor(name, header[name]);
		if (!tensor.ok) return tensor;
		tensors.push(tensor.value);
	}
	if (tensors.length > TENSORS_MAX) {
		return refused("too_many_tensors", `more than ${TENSORS_MAX} tensors`, { limit: TENSORS_MAX });
	}
	tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
	let dataBytes = 0;
	for (const { name, type, begin, end } of tensors) {
		if (begin !== dataBytes) {
			const fault = begin < dataBytes ? "overlaps the tensor before it" : "leaves a hole before it";
			return refused("layout_invalid", `tensor "${name}" ${fault}: it begins at ${begin}, not at ${dataBytes}`, {
				tensor: name,
			});
		}
		if (begin % TENSOR_TYPE_BYTES[type] !== 0) {
			return refused("layout_invalid", `tensor "${name}" begins at ${begin}, which is not aligned for ${type}`, {
				tensor: name,
			});
		}
		dataBytes = end;
	}
	const manifest = manifestOf(tensors);
	return manifest.ok ? ok({ manifest: manifest.value, dataBytes }) : manifest;
}

function readTensor(name: string, value: unknown): Result<Read, ManifestError> {
	const bad = (message: string) =>
		refused("tensor_invalid", `tensor "${name.slice(0, 100)}": ${message}`, { tensor: name.slice(0, 100) });
	// A code unit is three bytes of UTF-8 at most, and a name of few units need not be encoded.
	if (
		name === "" ||
		(name.length * 3 > TENSOR_NAME_BYTES_MAX && new TextEncoder().encode(name).length > TENSOR_NAME_BYTES_MAX)
	) {
		return bad(`the name has to have 1 to ${TENSOR_NAME_BYTES_MAX} bytes`);
	}
	if (!isObject(value)) return bad("is not an object");
	const { dtype, shape, data_offsets: offsets, ...others } = value;
	const [other] = Object.keys(others);
	if (other !== undefined) return bad(`unknown field "${other.slice(0, 100)}"`);
	if (!isType(dtype)) {
		const found = typeof dtype === "string" ? dtype.slice(0, 20) : typeof dtype;
		return refused("type_unsupported", `tensor "${name}" has type ${found}; F32, F16 and BF16 can be averaged`, {
			tensor: name,
		});
	}
	if (!Array.isArray(shape) || shape.length > TENSOR_RANK_MAX || !shape.every(isSize)) {
		return bad(`shape has to be at most ${TENSOR_RANK_MAX} sizes`);
	}
	if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
		return bad("data_offsets has to be two offsets");
	}
	const [begin, end] = offsets as [number, number];
	const bytes = parametersOf(shape) * TENSOR_TYPE_BYTES[dtype];
	if (end - begin !== bytes) {
		return bad(`data_offsets hold ${end - begin} bytes, and ${dtype} [${shape.join(", ")}] has ${bytes}`);
	}
	return ok({ name, type: dtype, shape, begin, end });
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isType(value: unknown): value is TensorType {
	return typeof value === "string" && Object.hasOwn(TENSOR_TYPE_BYTES, value);
}

function isSize(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= PARAMETERS_MAX * 4;
}

/** The first bytes of a file that holds `manifest` with all tensors of one type: behind them stand its parameters in order.
 *  The data begins at a multiple of 8. */
export function writeFileHead(
	manifest: Manifest,
	type: TensorType,
	metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
	const width = TENSOR_TYPE_BYTES[type];
	const header: Record<string, unknown> = Object.create(null);
	if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
	for (const { name, shape, offset, parameters } of manifest.tensors) {
		header[name] = { dtype: type, shape, data_offsets: [offset * width, (offset + parameters) * width] };
	}
	const json = new TextEncoder().encode(JSON.stringify(header));
	const bytes = Math.ceil(json.length / 8) * 8;
	const head = new Uint8Array(LENGTH_BYTES + bytes).fill(0x20);
	new DataView(head.buffer).setBigUint64(0, BigInt(bytes), true);
	head.set(json, LENGTH_BYTES);
	return head;
}
