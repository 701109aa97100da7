import type { Estimator, PromptEstimate } from "../prompt-estimate.ts";
import type { Outcome } from "./outcome.ts";

/** What an estimator is worth on outcomes that it was not trained on. Qualities are means of scores. */
export interface Judged {
	readonly prompts: number;
	/** Always the model that is expected to be best. */
	readonly quality: number;
	/** The best model for all prompts, chosen afterwards. */
	readonly bestSingle: number;
	readonly oracle: number;
	/** Mean squared error of the estimated qualities. */
	readonly brier: number;
	/** Expected calibration error of 15 equal bins (Guo et al. 2017). */
	readonly ece: number;
	/** Share of prompts whose domain is the most probable one. */
	readonly domainAccuracy: number;
	readonly inDomain: number;
}

const BINS = 15;

export function judge(estimator: Estimator, outcomes: readonly Outcome[]): Judged {
	return judgeEstimates(
		estimator,
		outcomes,
		outcomes.map(({ prompt }) => estimator.estimate(prompt)),
	);
}

export function judgeEstimates(
	{ models, domains }: Pick<Estimator, "models" | "domains">,
	outcomes: readonly Outcome[],
	estimates: readonly PromptEstimate[],
): Judged {
	const sums = new Map<string, number>();
	let [quality, oracle, right, inside] = [0, 0, 0, 0];
	outcomes.forEach(({ scores, domain }, i) => {
		const estimate = estimates[i]!;
		const asked = models.flatMap((model, m) => (scores.has(model) ? [{ model, q: estimate.quality[m]! }] : []));
		if (asked.length === 0) return;
		const chosen = asked.reduce((best, each) => (each.q > best.q ? each : best));
		quality += scores.get(chosen.model)!;
		oracle += Math.max(...scores.values());
		for (const [model, score] of scores) sums.set(model, (sums.get(model) ?? 0) + score);
		if (domains[argmax(estimate.posterior)] === domain) right++;
		if (estimate.inDomain) inside++;
	});
	const n = Math.max(1, outcomes.length);
	return {
		prompts: outcomes.length,
		quality: quality / n,
		bestSingle: Math.max(0, ...sums.values()) / n,
		oracle: oracle / n,
		...calibration(models, outcomes, estimates),
		domainAccuracy: right / n,
		inDomain: inside / n,
	};
}

export function calibration(
	models: readonly string[],
	outcomes: readonly Outcome[],
	estimates: readonly Pick<PromptEstimate, "quality">[],
): Pick<Judged, "brier" | "ece"> {
	const bins = Array.from({ length: BINS }, () => 0);
	let square = 0;
	let n = 0;
	outcomes.forEach(({ scores }, i) => {
		models.forEach((model, m) => {
			const score = scores.get(model);
			if (score === undefined) return;
			const q = estimates[i]!.quality[m]!;
			square += (score - q) ** 2;
			bins[Math.min(BINS - 1, Math.floor(q * BINS))]! += score - q;
			n++;
		});
	});
	return { brier: square / Math.max(1, n), ece: bins.reduce((sum, off) => sum + Math.abs(off), 0) / Math.max(1, n) };
}

export function argmax(values: Float64Array): number {
	let best = 0;
	for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
	return best;
}
