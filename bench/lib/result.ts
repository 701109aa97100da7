import type { Machine } from "./machine.ts";

/** One line of a table, by column key. Null: not measured. */
export type Row = Readonly<Record<string, string | number | null>>;

export interface Column {
	readonly key: string;
	readonly title: string;
	/** Digits after the point. Default 0. */
	readonly digits?: number;
}

export interface Target {
	readonly id: string;
	/** Null: not measured in this run. */
	readonly value: number | null;
	readonly goal: number;
	readonly direction: "at_least" | "at_most";
}

/** What a benchmark has found. `notes` are facts of this run that a reader must know to judge it. */
export interface Findings {
	readonly rows: readonly Row[];
	readonly targets: readonly Target[];
	readonly notes: readonly string[];
}

/** A figure that is not a number, or is beyond all numbers, was not measured: it is null. */
export function measuredOnly({ rows, targets, notes }: Findings): Findings {
	return {
		rows: rows.map((row) =>
			Object.fromEntries(
				Object.entries(row).map(([key, value]) => [key, typeof value === "number" ? finiteOrNull(value) : value]),
			),
		),
		targets: targets.map((target) => ({ ...target, value: target.value === null ? null : finiteOrNull(target.value) })),
		notes,
	};
}

function finiteOrNull(value: number): number | null {
	return Number.isFinite(value) ? value : null;
}

/** What `--json` writes. */
export interface BenchResult extends Findings {
	readonly bench: string;
	/** Of the working tree, with `+changes` when it differs from that commit. Null outside a git checkout. */
	readonly commit: string | null;
	/** ISO 8601, UTC: when it started. */
	readonly date: string;
	/** Less work than the figures in the documentation rest on. */
	readonly quick: boolean;
	readonly machine: Machine;
	readonly seed: number;
}

/** Null when it was not measured. */
export function isMet({ value, goal, direction }: Target): boolean | null {
	if (value === null) return null;
	return direction === "at_least" ? value >= goal : value <= goal;
}
