import { PRIOR_PROMPTS } from "../estimator/prior.ts";
import { logit, sigmoid } from "../estimator/probability.ts";
import type { Priors } from "../weights/weights.ts";
import type { Space, Table } from "./space.ts";

const SWEEPS = 40;
/** Prompts' worth of pull toward the mean, on a model's level and a domain's difficulty. */
const LEVEL_PULL = 0.5;
const DIFFICULTY_PULL = 2;

/** By model and domain: the mean score, shrunk toward what the model's level and the domain's difficulty say together (Rasch's
 *  model, additive in the logit), which also stands where the model was not measured: models that were measured in two pools
 *  join their scales. */
export function fitPriors(table: Table, { models, domains }: Space): Priors {
	const cells = cellsOf(table, models.length, domains.length);
	const guess = fitRasch(cells, models.length, domains.length);
	const { n, sum, tokens, told } = cells;
	return {
		quality: guess.map((q, cell) => (sum[cell]! + PRIOR_PROMPTS * q) / (n[cell]! + PRIOR_PROMPTS)),
		evidence: Float32Array.from(n),
		outputTokens: Float32Array.from(told, (count, cell) => (count > 0 ? tokens[cell]! / count : -1)),
	};
}

interface Cells {
	readonly n: Float64Array;
	readonly sum: Float64Array;
	readonly told: Float64Array;
	readonly tokens: Float64Array;
}

function cellsOf({ prompts, domain, scores, outputTokens }: Table, models: number, domains: number): Cells {
	const [n, sum, told, tokens] = [0, 1, 2, 3].map(() => new Float64Array(models * domains)) as [
		Float64Array,
		Float64Array,
		Float64Array,
		Float64Array,
	];
	for (let i = 0; i < prompts.length; i++) {
		for (let m = 0; m < models; m++) {
			const cell = m * domains + domain[i]!;
			const score = scores[i * models + m]!;
			const output = outputTokens[i * models + m]!;
			if (!Number.isNaN(score)) {
				n[cell]!++;
				sum[cell]! += score;
			}
			if (!Number.isNaN(output)) {
				told[cell]!++;
				tokens[cell]! += output;
			}
		}
	}
	return { n, sum, told, tokens };
}

/** Newton steps for each level and difficulty in turn. */
function fitRasch({ n, sum }: Cells, models: number, domains: number): Float32Array {
	const total = n.reduce((a, b) => a + b, 0);
	const middle = logit((sum.reduce((a, b) => a + b, 0) + 0.5) / (total + 1));
	const level = new Float64Array(models).fill(middle);
	const difficulty = new Float64Array(domains);
	const step = (
		cellOf: (k: number) => number,
		count: number,
		others: Float64Array,
		own: number,
		pull: number,
		to: number,
	) => {
		let gradient = pull * (own - to);
		let curvature = pull;
		for (let k = 0; k < count; k++) {
			const cell = cellOf(k);
			if (n[cell] === 0) continue;
			const p = sigmoid(own + others[k]!);
			gradient += n[cell]! * p - sum[cell]!;
			curvature += n[cell]! * p * (1 - p);
		}
		return own - Math.max(-1, Math.min(1, gradient / curvature));
	};
	for (let sweep = 0; sweep < SWEEPS; sweep++) {
		for (let m = 0; m < models; m++)
			level[m] = step((d) => m * domains + d, domains, difficulty, level[m]!, LEVEL_PULL, middle);
		for (let d = 0; d < domains; d++)
			difficulty[d] = step((m) => m * domains + d, models, level, difficulty[d]!, DIFFICULTY_PULL, 0);
	}
	return Float32Array.from({ length: models * domains }, (_, cell) =>
		sigmoid(level[Math.floor(cell / domains)]! + difficulty[cell % domains]!),
	);
}
