import { LOG_CHARS } from "../features/dense.ts";
import { FeatureReader, type Features } from "../features/features.ts";
import type { Estimator, PromptEstimate } from "../prompt-estimate.ts";
import { inputsOf } from "../weights/layout.ts";
import { BLEND_COUNT, LINEAR_WIDTH, type Weights } from "../weights/weights.ts";
import { blended, blendOf, linearLevel } from "./blend.ts";
import { applyHeads, embed, embedLinear } from "./latent-space.ts";
import { NeighbourLabels } from "./neighbour-labels.ts";
import { Neighbours } from "./neighbours.ts";
import { isNew, signalsOf, type Signals } from "./novelty.ts";
import { emptyPrior, readPrior, type DomainPrior } from "./prior.ts";
import { relativeEntropy, sigmoid, softmax } from "./probability.ts";

/** A domain this probable is sure: its neighbours are not asked. */
const SURE = 0.98;
/** Of an estimate out of domain. */
const NEW_ERROR = 0.25;
const ERROR_MAX = 0.5;

/** An estimate before its parts are blended. */
export interface Parts {
	readonly features: Features;
	readonly inputs: Float64Array;
	readonly posterior: Float64Array;
	readonly prior: DomainPrior;
	/** [M]: logits. */
	readonly heads: Float64Array;
	/** [M]: quality, where it may be below 0 or above 1. */
	readonly linear: Float64Array;
	/** `linearLevel` of it. */
	readonly level: number;
	/** [M]: quality at the neighbours; the prior's where they were not asked. */
	readonly neighbours: Float64Array;
	readonly similarity: number | null;
	readonly signals: Signals;
}

/** When the neighbours are asked: by the rule, or always (training needs both). */
export type AskNeighbours = "unsure" | "always" | "never";

/** What judges a prompt. One is enough for an isolate; calls do not overlap. */
export class PartsReader {
	readonly #weights: Weights;
	readonly #reader: FeatureReader;
	readonly #neighbours: Neighbours;
	readonly #labels: NeighbourLabels;
	readonly #inputs: Float64Array;
	readonly #prior: DomainPrior;
	readonly #heads: Float64Array;
	readonly #linearInputs = new Float64Array(inputsOf(LINEAR_WIDTH));
	readonly #linear: Float64Array;
	readonly #near: Float64Array;

	constructor(weights: Weights) {
		this.#weights = weights;
		this.#reader = new FeatureReader(weights.features);
		this.#neighbours = new Neighbours(weights.anchors, weights.features.hashes.length);
		this.#labels = new NeighbourLabels(weights);
		this.#inputs = new Float64Array(inputsOf(weights.latent.width));
		this.#prior = emptyPrior(weights.models.length);
		this.#heads = new Float64Array(weights.models.length);
		this.#linear = new Float64Array(weights.models.length);
		this.#near = new Float64Array(weights.models.length);
	}

	/** All but `posterior` is overwritten by the next call. */
	read(prompt: string, ask: AskNeighbours): Parts {
		const weights = this.#weights;
		const inputs = this.#inputs;
		const features = this.#reader.read(prompt);
		embed(weights.latent, features, inputs);
		const posterior = new Float64Array(weights.domains.length);
		applyHeads(weights.domainHeads, inputs, posterior.length, posterior);
		softmax(posterior, weights.temperature);
		readPrior(weights, posterior, this.#prior);
		applyHeads(weights.modelHeads, inputs, this.#heads.length, this.#heads);
		embedLinear(weights.linear, features, this.#linearInputs);
		applyHeads(weights.linear.heads, this.#linearInputs, this.#linear.length, this.#linear);
		let signals = signalsOf(weights.novelty, inputs, features.unknown, posterior, null);
		const unsure = posterior.every((p) => p < SURE) && !isNew(weights.novelty, signals);
		const similarity = ask === "always" || (ask === "unsure" && unsure) ? this.#neighbours.find(features) : null;
		if (similarity === null) this.#near.set(this.#prior.quality);
		else {
			this.#labels.read(this.#neighbours, this.#prior.quality, this.#near);
			signals = [signals[0], signals[1], signals[2], 1 - similarity];
		}
		return {
			features,
			inputs,
			posterior,
			prior: this.#prior,
			heads: this.#heads,
			linear: this.#linear,
			level: linearLevel(this.#prior, this.#linear),
			neighbours: this.#near,
			similarity,
			signals,
		};
	}
}

/** An estimator of a weights file that has been read. */
export function createEstimator(weights: Weights, ask: AskNeighbours = "unsure"): Estimator {
	const reader = new PartsReader(weights);
	const shares = new Float64Array(weights.pools.length);
	const blend = new Float64Array(BLEND_COUNT);
	return {
		models: weights.models,
		domains: weights.domains,
		version: weights.version,
		estimate(prompt: string): PromptEstimate {
			const parts = reader.read(prompt, ask);
			const inDomain = !isNew(weights.novelty, parts.signals);
			const models = weights.models.length;
			const quality = new Float64Array(models);
			const standardError = new Float64Array(models);
			if (inDomain) {
				poolShares(weights, parts.posterior, shares);
				blendOf(weights.blends, shares, parts.similarity !== null, blend);
				estimateInside(weights, parts, shares, blend, quality, standardError);
			} else estimateOutside(weights, parts.features, quality, standardError);
			return {
				posterior: parts.posterior,
				inDomain,
				entropy: relativeEntropy(parts.posterior),
				similarity: parts.similarity,
				quality,
				standardError,
				outputTokens: parts.prior.outputTokens.slice(),
			};
		},
	};
}

export function poolShares({ poolOf }: Weights, posterior: Float64Array, out: Float64Array): void {
	out.fill(0);
	for (let domain = 0; domain < posterior.length; domain++) out[poolOf[domain]!]! += posterior[domain]!;
}

function estimateInside(
	{ noise }: Weights,
	parts: Parts,
	shares: Float64Array,
	blend: Float64Array,
	quality: Float64Array,
	standardError: Float64Array,
): void {
	const variance = shares.reduce((sum, share, pool) => sum + share * noise[pool]! ** 2, 0);
	for (let m = 0; m < quality.length; m++) {
		quality[m] = sigmoid(blended(blend, parts, m));
		standardError[m] = Math.min(ERROR_MAX, Math.sqrt(parts.prior.variance[m]! + variance));
	}
}

/** Out of domain only the length of a prompt says anything of how hard it is. */
function estimateOutside(
	{ lengthHeads }: Weights,
	{ dense }: Features,
	quality: Float64Array,
	standardError: Float64Array,
): void {
	for (let m = 0; m < quality.length; m++) {
		quality[m] = sigmoid(lengthHeads[2 * m]! + lengthHeads[2 * m + 1]! * dense[LOG_CHARS]!);
		standardError[m] = NEW_ERROR;
	}
}
