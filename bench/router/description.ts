/** What a reader must know to judge the figures. */
export const COMPARED: readonly string[] = [
	"Outcomes that others have published, one line a prompt with every model's score (RouteLLM's MMLU and GSM8K, MMLU-Pro's evaluation results, ZeroEval, LLMRouter's NIM set, RouterDC's slice of RouterBench). Each pool is trained by itself with the code of `npm run train-router`, written as a weights file and read again; what is judged is the estimator of the gateway. Prompts of one key stand on one side of every split.",
	"APGR is exact over all shares of strong calls; CPT50 and CPT80 are the least percentages of strong calls that recover 50 and 80 % of the gap. Strong and weak: GPT-4-1106 and Mixtral-8x7B (MMLU, RouterBench), Gemini 1.5 Pro and Llama-3.1-8B (MMLU-Pro), Nemotron-51B and Qwen2.5-7B (NIM), o1-mini and GPT-4o-mini (ZeroEval). MMLU with 1,500 labels: means over draws.",
	"Quality is the mean score of the model that is thought best; the oracle knows the best model for each prompt; the gap is from the best single model, chosen on development, to the oracle. Floors: `quality - weight * expected dollars` with the weight that costs least on a tuning part of the development data (on which nothing was fitted) while it keeps so much of the best single model's quality there; quality and saving are relative to that model on the judged prompts. Expected dollars are means by domain and model, with the same domain posterior for all contenders. AIQ as RouterBench's, over the costs between the cheapest and the dearest single model.",
	"RouterBench's costs are real. Elsewhere a token is four characters of the prompt without its few-shot part and of the answer, at list prices of late 2024 from memory (`bench/router/prices.ts`); NIM has no lengths, so no costs.",
	"The others learn from the same prompts in the same run: kNN by cosine of the same hashed tf-idf among all training prompts (50 neighbours), logistic regression for each model on it, matrix factorisation of the same width as our latent space, trained on scores alone, and the priors of the domains that our classifier sees.",
	"Same tier: 300 prompts under five seeded changes (typos in one word of twenty, upper case, white space, options in another order, a polite beginning) keep their side of a threshold that half of the prompts pass; without the hysteresis that the gateway adds. Decision time: an estimate of a prompt of 4,096 characters, warm, with the neighbours asked every time; the target is that of the pool with 16 models.",
	"ECE (15 bins) and Brier are over all (prompt, model); the target `ece` is the worst pool's, `brier_vs_domain_prior` the mean ratio over pools. RouterBench's target is read at the floor of 98 %, MMLU-Pro's at 100 %.",
];

export const NOT_MODELLED: readonly string[] = [
	"Chats of several turns, languages other than English (but for NIM's MGSM), and prompts of users: these are benchmarks' questions, many with options.",
	"Scores of several samples: each model was asked once. Hidden reasoning tokens of o1-mini are not in its costs.",
	"Queue, warmth and cached prefixes, which the gateway's choice has and this has not.",
	"That near-duplicates of training prompts remain among the judged ones but for `mmlu_apgr_dedup`.",
];
