import type { Row } from "../lib/result.ts";

/** What others have published, on their own splits and models; for orientation. */
export const PUBLISHED: readonly Row[] = [
	mmlu("RouteLLM SW ranking, arena and 1,500 MMLU labels", 0.603, 35.4, 71.6),
	mmlu("RouteLLM causal LLM, the same", 0.6, 35.5, 70.3),
	mmlu("RouteLLM matrix factorisation, the same", 0.597, 35.5, 71.4),
	mmlu("RouteLLM BERT, the same", 0.572, 41.3, 72.2),
	{
		pool: "published",
		contender: "Best router of LLMRouterBench (arXiv 2601.07206), 33 models: at the best model's quality",
		quality_100: 1,
		saving_100: 0.317,
	},
	{
		pool: "published",
		contender: "vLLM semantic-router on RouterArena: same choice under paraphrase",
		same_tier: 0.676,
	},
];

function mmlu(contender: string, apgr: number, cpt50: number, cpt80: number): Row {
	return { pool: "published, MMLU (arXiv 2406.18665)", contender, apgr, cpt50, cpt80 };
}
