import { DENSE_COUNT } from "../features/dense.ts";
import { BLEND_COUNT, LINEAR_WIDTH, NOVELTY_SIGNALS } from "./weights.ts";

/** A weights file: magic, format (u32), digest (2 x u32) of all that follows it, length of the header (u32), the header (JSON),
 *  then the sections of `sectionsOf`, each at a multiple of four bytes; little-endian. */
export const MAGIC = 0x57525349; // "ISRW"
export const FORMAT = 2;
export const DIGEST_AT = 8;
export const HEADER_AT = 20;

export const WEIGHTS_BYTES_MAX = 1_500_000;

/** Limits of a file's sizes. */
export const SIZES_MAX = {
	grams: 65_536,
	width: 128,
	models: 256,
	domains: 256,
	pools: 16,
	anchors: 4_000,
	terms: 64,
} as const;

export type Sizes = Record<keyof typeof SIZES_MAX, number>;

/** The header of a file. */
export interface Header {
	readonly sizes: Sizes;
	readonly models: readonly string[];
	readonly domains: readonly string[];
	readonly pools: readonly { readonly name: string; readonly models: readonly number[]; readonly anchors: number }[];
	readonly temperature: number;
}

export const TYPES = {
	u8: Uint8Array,
	i8: Int8Array,
	u16: Uint16Array,
	u32: Uint32Array,
	f32: Float32Array,
} as const;

export interface Section {
	readonly type: keyof typeof TYPES;
	readonly count: number;
}

/** Inputs of a head. */
export function inputsOf(width: number): number {
	return width + DENSE_COUNT + 1;
}

/** What a file holds after its header, in this order. */
export function sectionsOf({ sizes, pools }: Pick<Header, "sizes" | "pools">) {
	const { grams, width, models, domains, anchors, terms } = sizes;
	const inputs = inputsOf(width);
	const labels = pools.reduce((sum, pool) => sum + pool.anchors * pool.models.length, 0);
	return {
		hashes: { type: "u32", count: grams },
		idf: { type: "f32", count: grams },
		denseMean: { type: "f32", count: DENSE_COUNT },
		denseSigma: { type: "f32", count: DENSE_COUNT },
		latentRows: { type: "i8", count: grams * width },
		latentScales: { type: "f32", count: grams },
		poolOf: { type: "u8", count: domains },
		domainHeads: { type: "f32", count: domains * inputs },
		modelHeads: { type: "f32", count: models * inputs },
		linearRows: { type: "i8", count: grams * LINEAR_WIDTH },
		linearHeads: { type: "f32", count: models * inputsOf(LINEAR_WIDTH) },
		quality: { type: "f32", count: models * domains },
		evidence: { type: "f32", count: models * domains },
		outputTokens: { type: "f32", count: models * domains },
		lengthHeads: { type: "f32", count: models * 2 },
		anchorRows: { type: "u16", count: anchors * terms },
		anchorValues: { type: "u8", count: anchors * terms },
		anchorPool: { type: "u8", count: anchors },
		labels: { type: "u8", count: labels },
		blends: { type: "f32", count: pools.length * 2 * BLEND_COUNT },
		noise: { type: "f32", count: pools.length },
		centroids: { type: "f32", count: domains * (inputs - 1) },
		sigmas: { type: "f32", count: inputs - 1 },
		thresholds: { type: "f32", count: NOVELTY_SIGNALS.length },
	} as const satisfies Record<string, Section>;
}

/** 64 bits: two lanes of FNV-1a over 32-bit words with different offsets. Against damage, not against forgers. */
export function digestOf(bytes: Uint8Array): [number, number] {
	let low = 0x811c9dc5;
	let high = 0x9e3779b9;
	const words = bytes.byteLength >> 2;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	for (let i = 0; i < words; i++) {
		const word = view.getUint32(4 * i, true);
		low = Math.imul(low ^ word, 0x01000193);
		low ^= low >>> 15;
		high = Math.imul(high ^ word ^ (low << 7), 0x85ebca6b);
		high ^= high >>> 13;
	}
	for (let i = 4 * words; i < bytes.byteLength; i++) low = Math.imul(low ^ bytes[i]!, 0x01000193);
	return [low >>> 0, (high ^ bytes.byteLength) >>> 0];
}

export function versionText([low, high]: readonly [number, number]): string {
	return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
