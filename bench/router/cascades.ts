import { keyOfValue } from "../../src/shared/router/cascade/answer-key.ts";
import { costGuard } from "../../src/shared/router/cascade/cost-guard.ts";
import { FAILED, type Judged } from "../../src/shared/router/cascade/judged.ts";
import { nextStep, type Ladder, type LadderTerms } from "../../src/shared/router/cascade/ladder.ts";
import { expectedCourse } from "../../src/shared/router/cascade/ladder-of.ts";
import type { Rung } from "../../src/shared/router/cascade/rung.ts";
import type { Row, Target } from "../lib/result.ts";

/** A line of `zeroeval.jsonl.gz`, as far as cascades look at it. */
export interface CascadeRow {
	readonly key: string;
	readonly prompt: string;
	readonly domain: string;
	readonly scores: Readonly<Record<string, number>>;
	readonly answers: Readonly<Record<string, string | null>>;
	readonly out_chars: Readonly<Record<string, number>>;
}

/** What is expected of a model on a prompt. */
export interface Expected {
	readonly quality: number;
	readonly outputTokens: number;
}

/** Makes a judge of prompts from rows with outcomes. */
export type Fit = (
	rows: readonly CascadeRow[],
	models: readonly string[],
) => (prompt: string, model: string) => Expected;

const CHEAP = ["gpt-4o-mini-2024-07-18", "gemini-1.5-flash"] as const;
const TOP = "o1-mini-2024-09-12";
export const CASCADE_MODELS: readonly string[] = [...CHEAP, TOP];
/** List prices in USD per million tokens, input and output; a token is taken for four characters. */
const PRICES: Readonly<Record<string, readonly [number, number]>> = {
	[CHEAP[0]]: [0.15, 0.6],
	[CHEAP[1]]: [0.075, 0.3],
	[TOP]: [3, 12],
};

const SAVING_GOAL = 0.38;
/** On the development rows the saving is held this far above its goal, because others are judged: between fifths of them it varies
 *  by a standard error of 0.045. */
const SAVING_MARGIN = 0.06;
const QUALITY_GOAL = 0.925;
/** USD that a wrong answer costs. */
const VALUES = [
	0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.3,
];

interface Judgement {
	readonly row: CascadeRow;
	readonly ladder: Ladder;
	readonly judged: readonly Judged[];
}

interface Played {
	readonly quality: number;
	readonly usd: number;
	/** Against the top alone. */
	readonly saving: number;
	readonly escalated: number;
}

/** Plays the ladder over `evaluation` by the rules of production, with the value of quality tuned on `dev` alone: the estimates that
 *  it is tuned with come from the other folds of `dev`. */
export function cascadeFindings(
	dev: readonly CascadeRow[],
	evaluation: readonly CascadeRow[],
	fit: Fit,
	folds: number,
): { readonly rows: readonly Row[]; readonly targets: readonly Target[]; readonly note: string } {
	const usable = (rows: readonly CascadeRow[]) =>
		rows.filter(({ scores }) => CASCADE_MODELS.every((model) => model in scores));
	const known = usable(dev);
	const tuning = foldsOf(known, folds).flatMap(([rest, fold]) => judgementsOf(fold, rest, fit));
	const value = tune(tuning);
	const held = judgementsOf(usable(evaluation), known, fit);
	const played = play(held, value);
	const rows = [
		rowOf("o1-mini alone", playTop(held)),
		rowOf("gpt-4o-mini alone", playCheap(held)),
		rowOf("unanimity of the two cheap ones", playUnanimity(held)),
		rowOf("isobar cascade", played),
	];
	const targets: Target[] = [
		{ id: "cascade_quality", value: played.quality, goal: QUALITY_GOAL, direction: "at_least" },
		{ id: "cascade_saving", value: played.saving, goal: SAVING_GOAL, direction: "at_least" },
	];
	const note = `ZeroEval cascade: ${held.length} questions; a wrong answer taken to cost $${value}, tuned on ${known.length} questions of the development data, where it has ${(play(tuning, value).quality * 100).toFixed(1)} % right at a saving of ${(play(tuning, value).saving * 100).toFixed(1)} %.`;
	return { rows, targets, note };
}

function foldsOf(rows: readonly CascadeRow[], folds: number): (readonly [CascadeRow[], CascadeRow[]])[] {
	return Array.from({ length: folds }, (_, fold) => [
		rows.filter(({ key }) => hash(key) % folds !== fold),
		rows.filter(({ key }) => hash(key) % folds === fold),
	]);
}

function hash(text: string): number {
	let value = 0x811c9dc5;
	for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
	return value;
}

function judgementsOf(rows: readonly CascadeRow[], known: readonly CascadeRow[], fit: Fit): Judgement[] {
	const expect = fit(known, CASCADE_MODELS);
	return rows.map((row) => {
		const rung = (model: string): Rung => {
			const { quality, outputTokens } = expect(row.prompt, model);
			return { model, quality, outputTokens, usd: priceOf(row.prompt, model, outputTokens), seconds: 0 };
		};
		const judged = CASCADE_MODELS.map((model) => judgedOf(row, model));
		return { row, judged, ladder: { cheap: CHEAP.map(rung), top: rung(TOP), verifier: null } };
	});
}

/** The published results hold what was extracted from an answer, not the answer. */
function judgedOf(row: CascadeRow, model: string): Judged {
	const answer = row.answers[model] ?? null;
	if (answer === null) return { ...FAILED, fault: "empty" };
	const key = answer === "" ? { kind: "text" as const, key: "" } : keyOfValue(answer);
	return { fault: null, key, told: null, tokens: (row.out_chars[model] ?? 0) / 4 };
}

function priceOf(prompt: string, model: string, outputTokens: number): number {
	const [input, output] = PRICES[model]!;
	return ((prompt.length / 4) * input + outputTokens * output) / 1e6;
}

function paid({ prompt, out_chars: chars }: CascadeRow, model: string): number {
	return priceOf(prompt, model, (chars[model] ?? 0) / 4);
}

function termsOf(valueOfQuality: number): LadderTerms {
	return {
		valueOfQuality,
		valueOfSecond: 0,
		accept: null,
		floor: 0,
		halfWidth: 0.1,
		firstScores: [],
		settledScores: [],
	};
}

/** The greatest value of quality that still saves enough on the development rows: the more it is worth, the more questions go to the
 *  top. */
function tune(judgements: readonly Judgement[]): number {
	return VALUES.findLast((value) => play(judgements, value).saving >= SAVING_GOAL + SAVING_MARGIN) ?? VALUES[0]!;
}

function play(judgements: readonly Judgement[], value: number): Played {
	const terms = termsOf(value);
	return sum(judgements, ({ row, ladder, judged }) => {
		const course = expectedCourse(ladder, terms);
		const guard = costGuard(ladder, course, course.escalation, {
			valueOfSecond: 0,
			secondsMax: Infinity,
			together: false,
		});
		const seen: (Judged | null)[] = guard.run ? [null, null, null] : [FAILED, null, null];
		let usd = 0;
		for (;;) {
			const step = nextStep(ladder, terms, { judged: seen, verdict: undefined });
			if (step.kind === "accept")
				return { right: row.scores[CASCADE_MODELS[step.rung]!]!, usd, escalated: seen[2] !== null };
			if (step.kind === "verify") throw new Error("a ladder without a verifier asks for none");
			for (const rung of step.rungs) {
				seen[rung] = judged[rung]!;
				usd += paid(row, CASCADE_MODELS[rung]!);
			}
		}
	});
}

function playTop(judgements: readonly Judgement[]): Played {
	return sum(judgements, ({ row }) => ({ right: row.scores[TOP]!, usd: paid(row, TOP), escalated: true }));
}

function playCheap(judgements: readonly Judgement[]): Played {
	return sum(judgements, ({ row }) => ({ right: row.scores[CHEAP[0]]!, usd: paid(row, CHEAP[0]), escalated: false }));
}

function playUnanimity(judgements: readonly Judgement[]): Played {
	return sum(judgements, ({ row, judged: [a, b] }) => {
		const escalated = !a!.key || a!.key.key !== b!.key?.key;
		const usd = paid(row, CHEAP[0]) + paid(row, CHEAP[1]) + (escalated ? paid(row, TOP) : 0);
		return { right: row.scores[escalated ? TOP : CHEAP[0]]!, usd, escalated };
	});
}

function sum(
	judgements: readonly Judgement[],
	one: (judgement: Judgement) => { readonly right: number; readonly usd: number; readonly escalated: boolean },
): Played {
	let right = 0;
	let usd = 0;
	let top = 0;
	let escalated = 0;
	for (const judgement of judgements) {
		const played = one(judgement);
		right += played.right;
		usd += played.usd;
		top += paid(judgement.row, TOP);
		escalated += Number(played.escalated);
	}
	const count = Math.max(1, judgements.length);
	return {
		quality: right / count,
		usd: usd / count,
		saving: top > 0 ? 1 - usd / top : 0,
		escalated: escalated / count,
	};
}

function rowOf(contender: string, { quality, usd, saving, escalated }: Played): Row {
	return { pool: "ZeroEval cascade", contender, quality, usd, saving, escalated };
}
