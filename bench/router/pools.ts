import type { Outcome } from "../../src/shared/router/training/outcome.ts";

/** A set of models that were asked the same prompts, and how it is judged. */
export interface Pool {
	readonly id: string;
	readonly title: string;
	/** Without its ending. */
	readonly file: string;
	/** Of the outcomes in the file, which count; by domain name. */
	readonly takes: (domain: string) => boolean;
	/** Null: all of the file's. */
	readonly models: readonly string[] | null;
	/** For APGR and CPT. */
	readonly strong: string;
	readonly weak: string;
	/** At most so many prompts are learned from; null: all. */
	readonly labels: number | null;
}

const all = (): boolean => true;
const isMmlu = (domain: string): boolean => domain.startsWith("mmlu/");
export const isGsm8k = (domain: string): boolean => domain.startsWith("gsm8k/");

const GPT4_MIXTRAL = { strong: "gpt-4-1106-preview", weak: "mixtral-8x7b-instruct-v0.1" } as const;

/** Sixteen of those that were asked everything and have a price. */
const ZEROEVAL = [
	"claude-3-5-haiku-20241022",
	"claude-3-5-sonnet-20241022",
	"claude-3-haiku-20240307",
	"claude-3-opus-20240229",
	"deepseek-v2.5-0908",
	"gemini-1.5-flash",
	"gemini-1.5-pro",
	"gemma-2-9b-it",
	"gpt-3.5-turbo-0125",
	"gpt-4o-2024-08-06",
	"gpt-4o-mini-2024-07-18",
	"llama-3.1-70b-instruct",
	"llama-3.1-8b-instruct",
	"mistral-large-2",
	"o1-mini-2024-09-12",
	"qwen2-72b-instruct",
] as const;

export const POOLS: readonly Pool[] = [
	{
		id: "mmlu",
		title: "MMLU, 2 models",
		file: "routellm",
		takes: isMmlu,
		models: null,
		...GPT4_MIXTRAL,
		labels: null,
	},
	{
		id: "mmlu_1500",
		title: "MMLU, 1,500 labels",
		file: "routellm",
		takes: isMmlu,
		models: null,
		...GPT4_MIXTRAL,
		labels: 1_500,
	},
	{
		id: "mmlupro",
		title: "MMLU-Pro, 14 models",
		file: "mmlu_pro",
		takes: all,
		models: null,
		strong: "gemini-1.5-pro-002",
		weak: "llama-3.1-8b-instruct",
		labels: null,
	},
	{
		id: "nim9",
		title: "NIM, 9 models",
		file: "llmrouter_nim9",
		takes: all,
		models: null,
		strong: "llama-3.1-nemotron-51b-instruct",
		weak: "qwen2.5-7b-instruct",
		labels: null,
	},
	{
		id: "routerbench",
		title: "RouterBench slice, 11 models",
		file: "routerbench_slice",
		takes: all,
		models: null,
		strong: "gpt-4-1106-preview",
		weak: "mixtral-8x7b-chat",
		labels: null,
	},
	{
		id: "zeroeval",
		title: "ZeroEval, 16 models",
		file: "zeroeval",
		takes: all,
		models: ZEROEVAL,
		strong: "o1-mini-2024-09-12",
		weak: "gpt-4o-mini-2024-07-18",
		labels: null,
	},
];

/** Outcomes of a pool, with the scores of its own models alone. */
export function ofPool({ takes, models }: Pool, outcomes: readonly Outcome[]): Outcome[] {
	const own = outcomes.filter(({ domain }) => takes(domain));
	if (models === null) return own;
	const kept = (values: ReadonlyMap<string, number>) =>
		new Map([...values].filter(([model]) => models.includes(model)));
	return own
		.map((outcome) => ({
			...outcome,
			scores: kept(outcome.scores),
			outputTokens: kept(outcome.outputTokens),
			usd: kept(outcome.usd),
		}))
		.filter(({ scores }) => scores.size > 0);
}
