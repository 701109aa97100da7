import type { Row, Target } from "../lib/result.ts";
import { agreement, completeTable, type Agreement } from "./rankings.ts";

const GOAL = 0.91;
/** The case that the target is about. */
const TARGET = { mechanism: "routed", missing: 0.9 } as const;
const MISSING = [0.5, 0.9, 0.95];

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
		rows: found.map(rowOf),
		targets: [{ id: "pl_tau", value: aimed?.ilsr ?? null, goal: GOAL, direction: "at_least" }],
	};
}

function rowOf({ mechanism, missing, mean, lsr, ilsr, ilsrRange, draws }: Agreement): Row {
	return {
		case: `${Math.round(missing * 100)} % missing, ${mechanism}`,
		tau_means: mean,
		tau_lsr: lsr,
		tau_ilsr: ilsr,
		tau_ilsr_least: ilsrRange[0],
		tau_ilsr_greatest: ilsrRange[1],
		draws,
	};
}
