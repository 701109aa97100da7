import { err, ok, type Result } from "../../result.ts";
import { checkHeader } from "./check-header.ts";
import {
	DIGEST_AT,
	digestOf,
	FORMAT,
	HEADER_AT,
	MAGIC,
	sectionsOf,
	TYPES,
	versionText,
	WEIGHTS_BYTES_MAX,
	type Header,
} from "./layout.ts";
import type { Weights } from "./weights.ts";
import { aligned } from "./write.ts";

export type WeightsError =
	| { readonly kind: "too_large"; readonly bytes: number; readonly max: number }
	| { readonly kind: "not_weights" }
	| { readonly kind: "format"; readonly format: number; readonly supported: number }
	| { readonly kind: "cut"; readonly bytes: number; readonly expected: number }
	| { readonly kind: "damaged" }
	| { readonly kind: "header"; readonly what: string }
	| { readonly kind: "section"; readonly section: string; readonly what: string };

type Sections = ReturnType<typeof sectionsOf>;
type Values = { [Name in keyof Sections]: InstanceType<(typeof TYPES)[Sections[Name]["type"]]> };

/** Reads a weights file, and checks all of it: what it returns cannot send an estimator out of bounds or make it say NaN. */
export function readWeights(bytes: Uint8Array): Result<Weights, WeightsError> {
	if (bytes.byteLength > WEIGHTS_BYTES_MAX)
		return err({ kind: "too_large", bytes: bytes.byteLength, max: WEIGHTS_BYTES_MAX });
	// A copy of its own: sections are views at multiples of four bytes. Not `slice`, which of a Node `Buffer` is a view.
	const own = Uint8Array.from(bytes);
	const view = new DataView(own.buffer);
	if (own.byteLength < HEADER_AT || view.getUint32(0, true) !== MAGIC) return err({ kind: "not_weights" });
	const format = view.getUint32(4, true);
	if (format !== FORMAT) return err({ kind: "format", format, supported: FORMAT });
	const start = HEADER_AT + view.getUint32(HEADER_AT - 4, true);
	if (start > own.byteLength) return err({ kind: "cut", bytes: own.byteLength, expected: start });
	const header = checkHeader(new TextDecoder().decode(own.subarray(HEADER_AT, start)));
	if (!header.ok) return err({ kind: "header", what: header.error });
	const sections = sectionsOf(header.value);
	let expected = aligned(start);
	for (const { type, count } of Object.values(sections))
		expected = aligned(expected + count * TYPES[type].BYTES_PER_ELEMENT);
	if (own.byteLength !== expected) return err({ kind: "cut", bytes: own.byteLength, expected });
	const digest = digestOf(own.subarray(DIGEST_AT + 8));
	if (digest[0] !== view.getUint32(DIGEST_AT, true) || digest[1] !== view.getUint32(DIGEST_AT + 4, true))
		return err({ kind: "damaged" });
	const values = viewsOf(own, aligned(start), sections);
	const fault = faultIn(values, header.value);
	return fault ? err({ kind: "section", ...fault }) : ok(assemble(values, header.value, versionText(digest)));
}

function viewsOf(bytes: Uint8Array<ArrayBuffer>, start: number, sections: Sections): Values {
	let at = start;
	const views = Object.entries(sections).map(([name, { type, count }]) => {
		const view = new TYPES[type](bytes.buffer, at, count);
		at = aligned(at + view.byteLength);
		return [name, view];
	});
	return Object.fromEntries(views) as Values;
}

function faultIn(values: Values, { sizes, pools }: Header): { section: string; what: string } | null {
	for (const [section, value] of Object.entries(values)) {
		if (value instanceof Float32Array && !value.every(Number.isFinite)) return { section, what: "not finite" };
	}
	const { quality, evidence, outputTokens, anchorRows, anchorPool, poolOf, hashes, sigmas } = values;
	if (new Set(hashes).size !== hashes.length) return { section: "hashes", what: "a gram twice" };
	if (!quality.every((q) => q >= 0 && q <= 1)) return { section: "quality", what: "not from 0 to 1" };
	if (!evidence.every((n) => n >= 0)) return { section: "evidence", what: "negative" };
	if (!outputTokens.every((n) => n >= 0 || n === -1)) return { section: "outputTokens", what: "negative" };
	if (!sigmas.every((sigma) => sigma > 0)) return { section: "sigmas", what: "not positive" };
	if (!values.idf.every((idf) => idf >= 0)) return { section: "idf", what: "negative" };
	if (!values.denseSigma.every((sigma) => sigma >= 0)) return { section: "denseSigma", what: "negative" };
	if (!values.noise.every((noise) => noise >= 0)) return { section: "noise", what: "negative" };
	if (!anchorRows.every((row) => row < sizes.grams)) return { section: "anchorRows", what: "unknown gram" };
	if (!poolOf.every((pool) => pool < sizes.pools)) return { section: "poolOf", what: "unknown pool" };
	for (let i = 0; i < sizes.pools; i++) {
		if (anchorPool.filter((pool) => pool === i).length !== pools[i]!.anchors)
			return { section: "anchorPool", what: `not ${pools[i]!.anchors} of pool ${i}` };
	}
	return null;
}

function assemble(values: Values, header: Header, version: string): Weights {
	return {
		version,
		models: header.models,
		domains: header.domains,
		pools: header.pools.map(({ name, models }) => ({ name, models })),
		poolOf: values.poolOf,
		features: {
			hashes: values.hashes,
			idf: values.idf,
			denseMean: values.denseMean,
			denseSigma: values.denseSigma,
		},
		latent: { width: header.sizes.width, rows: values.latentRows, scales: values.latentScales },
		domainHeads: values.domainHeads,
		temperature: header.temperature,
		modelHeads: values.modelHeads,
		linear: { rows: values.linearRows, heads: values.linearHeads },
		priors: { quality: values.quality, evidence: values.evidence, outputTokens: values.outputTokens },
		lengthHeads: values.lengthHeads,
		anchors: {
			terms: header.sizes.terms,
			rows: values.anchorRows,
			values: values.anchorValues,
			pool: values.anchorPool,
			labels: values.labels,
		},
		blends: values.blends,
		noise: values.noise,
		novelty: { centroids: values.centroids, sigmas: values.sigmas, thresholds: values.thresholds },
	};
}
