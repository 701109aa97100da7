import type { Findings, Row, Target } from "../lib/result.ts";
import { readOutcomes, type Source } from "./data.ts";
import { agreement, completeTable, type Agreement } from "./rankings.ts";

const GOAL = 0.91;
/** The case that the target is about. */
const TARGET = { mechanism: "routed", missing: 0.9 } as const;
const MISSING = [0.5, 0.9, 0.95];
const FILE = "mmlu_pro";
const DRAWS = { full: 20, quick: 4 } as const;

/** Rows and the target of the ranking, for the table of the router's benchmark. */
export async function rankingRows({ dev, eval: judged, quick, seed }: Source): Promise<Findings> {
	const places = judged === null ? [dev] : [dev, judged];
	const outcomes = (await Promise.all(places.map((place) => readOutcomes(place, FILE)))).flat();
	const scores = outcomes.map((outcome) => ({ scores: Object.fromEntries(outcome.scores) }));
	const draws = DRAWS[quick ? "quick" : "full"];
	const note =
		"Rankings: Kendall's tau to the means of all scores, mean of " +
		`${draws} draws, on the prompts that every model of MMLU-Pro answered (of both sides: nothing is learned from one for another). ` +
		"Which models a prompt is taken from depends on its difficulty, in a band that makes the plain mean as wrong as the notes on routing found it.";
	return { ...rankings(scores, { draws, seed }), notes: [note] };
}

/** What ranking by Plackett-Luce is worth beside ranking by means, on the rows of a set in which every model was scored (MMLU-Pro: 14
 *  models). A ranking learns nothing from one prompt about another, so development and evaluation rows go in together. */
export function rankings(
	outcomes: readonly { readonly scores: Readonly<Record<string, number>> }[],
	{ draws, seed }: { readonly draws: number; readonly seed: number },
): { readonly rows: readonly Row[]; readonly targets: readonly Target[] } {
	const table = completeTable(outcomes);
	const found = (["random", "routed"] as const).flatMap((mechanism) =>
		MISSING.map((missing) => agreement(table, mechanism, missing, draws, seed)),
	);
	const aimed = found.find((each) => each.mechanism === TARGET.mechanism && each.missing === TARGET.missing);
	return {
		rows: found.flatMap(rowsOf),
		targets: [{ id: "pl_tau", value: aimed?.ilsr ?? null, goal: GOAL, direction: "at_least" }],
	};
}

/** One line a way to rank. */
function rowsOf({ mechanism, missing, mean, lsr, ilsr, ilsrRange }: Agreement): Row[] {
	const pool = `MMLU-Pro, ranking from scores that are ${Math.round(missing * 100)} % missing (${mechanism})`;
	return [
		{ pool, contender: "Isobar (Plackett-Luce, iterated)", tau: ilsr, tau_least: ilsrRange[0] },
		{ pool, contender: "Plackett-Luce, one round", tau: lsr },
		{ pool, contender: "mean score", tau: mean },
	];
}
