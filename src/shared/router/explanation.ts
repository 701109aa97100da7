import type { Seconds, Usd } from "../units.ts";
import type { StopReason } from "./cascade/budget.ts";
import type { Mode } from "./controls.ts";
import type { Rule } from "./rules.ts";

/** The objective's terms for one model, in USD. Their sum is its score; the least wins, but for what `settle` in settle.ts says. */
export interface RouteTerms {
	/** v_quality * E[quality lost against the best candidate]. */
	readonly quality: Usd;
	/** What the doubt about both qualities costs whoever is to replace the incumbent. */
	readonly risk: Usd;
	/** E[marginal $], of a start of a cold pool too, net of regret. */
	readonly money: Usd;
	readonly congestion: Usd;
	/** v * E[seconds], v_slo * E[seconds over the TTFT goal], harm to others. */
	readonly time: Usd;
	readonly late: Usd;
	readonly harm: Usd;
	/** The weights that are USD per unit. */
	readonly size: Usd;
	readonly recency: Usd;
	readonly privacy: Usd;
	readonly verbosity: Usd;
}

export interface RouteCandidate {
	readonly model: string;
	/** Where the model is expected to answer. */
	readonly pool: string;
	/** 0 to 1, and its standard error. */
	readonly quality: number;
	readonly standard_error: number;
	readonly usd: Usd;
	readonly seconds: Seconds;
	readonly score: Usd;
	readonly terms: RouteTerms;
	readonly shadow: boolean;
	/** What the weights alone expect of it; null where they do not know it. */
	readonly card: number | null;
	/** It took no requests when it was last heard of, so it is tried after the others. */
	readonly busy?: true;
}

/** Why the prompt was not judged. `weights_unavailable`: the weights could not be read; `no_card`: no candidate is in them. */
export type Unjudged = "weights_unavailable" | "no_card";

/** How a routed request found its model: the member `route` of its record. Holds no prompt. */
export interface RouteExplanation {
	readonly router: string;
	readonly mode: Mode;
	/** Digest of the weights; null where they could not be read. */
	readonly weights_version: string | null;
	/** 16 hexadecimal digits of a hash of the text that was judged. */
	readonly prompt: string;
	/** False: unlike all that the weights were made from, so that the incumbent answers. */
	readonly in_domain: boolean;
	/** Absent: it was judged. */
	readonly unjudged?: Unjudged;
	/** The five most likely. */
	readonly domains: readonly { readonly name: string; readonly p: number }[];
	/** The model that was to answer; the record's `model` is the one that did. */
	readonly chosen: string;
	/** Why that one. */
	readonly reason: Reason;
	/** P(this choice), of a choice that was left to chance; of the second answer of a shadow pair, given the pair; else 1. */
	readonly propensity: number;
	readonly explored: boolean;
	/** Another model is sent the same prompt beside it, unseen, as the request of this id. */
	readonly shadow?: string;
	/** The request beside which this one was sent. */
	readonly shadow_of?: string;
	/** The shadow request whose answer was graded beside the other one. */
	readonly judge_of?: string;
	/** The least score first. */
	readonly candidates: readonly RouteCandidate[];
	readonly rejected: readonly { readonly model: string; readonly rule: Rule }[];
	/** Candidates that no other beats in quality, dollars and seconds at once. */
	readonly pareto: readonly string[];
	/** Of a cascade or a vote. */
	readonly course?: CourseExplanation;
	/** The rule of price zero that the prompt met, as a candidate. */
	readonly rule?: RuleExplanation;
}

/** How several models were asked. */
export interface CourseExplanation {
	/** Why the answer was taken, or why only the top was asked: `guard` where the ladder was expected to cost more, `no_ladder` where
	 *  no two models may answer. */
	readonly why: string;
	/** P(the answer is right), as far as it is known. */
	readonly probability: number | null;
	/** What ended it before its time. */
	readonly stop: StopReason | null;
	/** E[USD] of the ladder and of its top alone, time at its value, and P(the top is reached); null where none was made. */
	readonly guard: { readonly ladder_usd: Usd; readonly top_usd: Usd; readonly rate: number } | null;
	readonly stages: readonly StageExplanation[];
}

export interface StageExplanation {
	/** Of its own record. */
	readonly id: string;
	readonly model: string;
	readonly role: string;
	/** Its answer is the client's. */
	readonly accepted: boolean;
	/** What was found wrong with its answer. */
	readonly fault: string | null;
	/** Null: not known when this was written; its own record tells. */
	readonly usd: Usd | null;
	readonly seconds: Seconds | null;
}

export interface RuleExplanation {
	readonly id: string;
	readonly score: Usd;
	readonly chosen: boolean;
}

/** `best`: the least score. `conversation`: as good within the noise, and it had the conversation. `cheaper`: as good within the noise,
 *  and cheaper. `incumbent`: nothing is known of the prompt, or no other is surely better. `drawn`: left to chance, to learn from. */
export type Reason = "drawn" | "best" | "only" | "conversation" | "cheaper" | "incumbent";
