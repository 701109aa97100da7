import { DIGEST_AT, digestOf, FORMAT, HEADER_AT, MAGIC, sectionsOf, TYPES, type Header } from "./layout.ts";
import type { Weights } from "./weights.ts";

/** The bytes of a weights file. The same weights make the same bytes; their `version` is not among them. */
export function writeWeights(weights: Omit<Weights, "version">): Uint8Array<ArrayBuffer> {
	const header = headerOf(weights);
	const text = new TextEncoder().encode(JSON.stringify(header));
	const sections = Object.entries(sectionsOf(header));
	const values = valuesOf(weights);
	let size = aligned(HEADER_AT + text.byteLength);
	for (const [, { type, count }] of sections) size = aligned(size + count * TYPES[type].BYTES_PER_ELEMENT);
	const bytes = new Uint8Array(size);
	bytes.set(text, HEADER_AT);
	let at = aligned(HEADER_AT + text.byteLength);
	for (const [name, { type, count }] of sections) {
		const value = values[name as keyof typeof values];
		if (value.length !== count) throw new Error(`Section ${name} has ${value.length} values in the place of ${count}.`);
		new TYPES[type](bytes.buffer, at, count).set(value);
		at = aligned(at + count * TYPES[type].BYTES_PER_ELEMENT);
	}
	const view = new DataView(bytes.buffer);
	view.setUint32(0, MAGIC, true);
	view.setUint32(4, FORMAT, true);
	view.setUint32(HEADER_AT - 4, text.byteLength, true);
	const [low, high] = digestOf(bytes.subarray(DIGEST_AT + 8));
	view.setUint32(DIGEST_AT, low, true);
	view.setUint32(DIGEST_AT + 4, high, true);
	return bytes;
}

function headerOf({
	models,
	domains,
	pools,
	features,
	latent,
	anchors,
	temperature,
}: Omit<Weights, "version">): Header {
	const count = anchors.pool.length;
	return {
		sizes: {
			grams: features.hashes.length,
			width: latent.width,
			models: models.length,
			domains: domains.length,
			pools: pools.length,
			anchors: count,
			terms: anchors.terms,
		},
		models,
		domains,
		pools: pools.map((pool, i) => ({ ...pool, anchors: anchors.pool.filter((each) => each === i).length })),
		temperature,
	};
}

function valuesOf(weights: Omit<Weights, "version">) {
	const { features, latent, priors, anchors, novelty } = weights;
	return {
		hashes: features.hashes,
		idf: features.idf,
		denseMean: features.denseMean,
		denseSigma: features.denseSigma,
		latentRows: latent.rows,
		latentScales: latent.scales,
		poolOf: weights.poolOf,
		domainHeads: weights.domainHeads,
		modelHeads: weights.modelHeads,
		linearRows: weights.linear.rows,
		linearHeads: weights.linear.heads,
		quality: priors.quality,
		evidence: priors.evidence,
		outputTokens: priors.outputTokens,
		lengthHeads: weights.lengthHeads,
		anchorRows: anchors.rows,
		anchorValues: anchors.values,
		anchorPool: anchors.pool,
		labels: anchors.labels,
		blends: weights.blends,
		noise: weights.noise,
		centroids: novelty.centroids,
		sigmas: novelty.sigmas,
		thresholds: novelty.thresholds,
	};
}

export function aligned(offset: number): number {
	return (offset + 3) & ~3;
}
