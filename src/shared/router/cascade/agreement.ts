import type { AnswerKey, AnswerKind } from "./answer-key.ts";
import { clamped } from "./log-odds.ts";

/** One model's answer to be compared. */
export interface Voter {
	/** P(right) before anything is known of the others, 0 to 1. */
	readonly quality: number;
	/** Null: it cannot be compared, and agrees with nobody. */
	readonly key: AnswerKey | null;
}

/** P(two wrong answers say the same), by what an answer is. Fitted by likelihood to the answers of 40 pairs of models on each of
 *  GSM8K, MATH (level 5) and CRUX (ZeroEval's published results) and on MMLU-Pro's; JSON is taken for as rare as numbers. */
const SAME_WRONG: Readonly<Record<AnswerKind, number>> = { number: 0.2, letter: 0.3, json: 0.2, text: 0.25 };

/** Models err on the same questions, so that two of them tell less than two coins would: the exponent of the likelihood, from the
 *  same fit (0.7 to 1). */
const TEMPER = 0.85;

export interface Group {
	/** Indices of the voters. */
	readonly members: readonly number[];
	/** P(what they say is right); with the others' the sum is below 1 by what all of them may miss. */
	readonly probability: number;
}

/** Who says the same, and how probably they are right, the most probable first. Of one voter alone it is its own quality. */
export function agreement(voters: readonly Voter[]): Group[] {
	const groups = grouped(voters);
	const weights = groups.map((_, right) => weightIf(voters, groups, right));
	const total = weights.reduce((sum, weight) => sum + weight, weightIf(voters, groups, -1));
	return groups
		.map((members, index) => ({ members, probability: weights[index]! / total }))
		.sort((a, b) => b.probability - a.probability);
}

function grouped(voters: readonly Voter[]): number[][] {
	const groups = new Map<string, number[]>();
	for (const [index, { key }] of voters.entries()) {
		const name = key ? `${key.kind} ${key.key}` : `alone ${index}`;
		const group = groups.get(name);
		if (group) group.push(index);
		else groups.set(name, [index]);
	}
	return [...groups.values()];
}

/** Likelihood of what was answered if the group `right` is, or none (-1). */
function weightIf(voters: readonly Voter[], groups: readonly (readonly number[])[], right: number): number {
	let weight = 1;
	for (const [index, members] of groups.entries()) {
		for (const [rank, member] of members.entries()) {
			const { quality, key } = voters[member]!;
			const p = clamped(quality);
			if (index === right) weight *= p;
			else weight *= (1 - p) * (rank === 0 || !key ? 1 : SAME_WRONG[key.kind]);
		}
	}
	return voters.length === 1 ? weight : weight ** TEMPER;
}

/** P(two answers of these qualities say the same), where nothing is known yet of what they are. */
export function expectedAgreement(a: number, b: number): number {
	const bothRight = Math.min(a, b) * BOTH_RIGHT + a * b * (1 - BOTH_RIGHT);
	const bothWrong = 1 - a - b + bothRight;
	return bothRight + bothWrong * SAME_WRONG.number;
}

/** How far towards all that it can be the share of questions lies which two models both have right (same sources: 0.4 to 0.5). */
const BOTH_RIGHT = 0.45;
