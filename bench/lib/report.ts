import { machineText } from "./machine.ts";
import { isMet, type BenchResult, type Column, type Row, type Target } from "./result.ts";
import { markdownTable, textTable } from "./table.ts";

/** What a reader must know of a benchmark besides its figures. */
export interface Description {
	readonly name: string;
	readonly title: string;
	/** What is measured, how, and with whom it is compared; one paragraph each. */
	readonly compared: readonly string[];
	readonly notModelled: readonly string[];
	/** Ratios first. */
	readonly columns: readonly Column[];
}

const TARGET_COLUMNS: readonly Column[] = [
	{ key: "id", title: "target" },
	{ key: "value", title: "value", digits: 2 },
	{ key: "goal", title: "goal" },
	{ key: "met", title: "met" },
];

/** For the terminal. */
export function textReport({ title, columns }: Description, result: BenchResult): string {
	const parts = [
		`${title}${result.quick ? " (quick: rough figures)" : ""}`,
		machineText(result.machine),
		textTable(columns, result.rows),
		textTable(TARGET_COLUMNS, result.targets.map(targetRow)),
		...(result.notes.length > 0 ? [result.notes.join("\n")] : []),
	];
	return parts.join("\n\n");
}

/** The section of docs/benchmarks.md. */
export function markdownReport(
	{ name, title, columns, compared, notModelled }: Description,
	result: BenchResult,
): string {
	const commit = result.commit === null ? "" : `, commit ${result.commit}`;
	return [
		`## ${title}`,
		`\`npm run bench:${name}${result.quick ? " -- --quick" : ""}\`, ${result.date.slice(0, 10)}${commit}, seed ${result.seed}. ${machineText(result.machine)}.`,
		markdownTable(columns, result.rows),
		markdownTable(TARGET_COLUMNS, result.targets.map(targetRow)),
		...(result.notes.length > 0 ? ["**This run.** " + result.notes.join(" ")] : []),
		"**What is compared.**\n\n" + compared.map((text) => `- ${text}`).join("\n"),
		"**What is not modelled.**\n\n" + notModelled.map((text) => `- ${text}`).join("\n"),
	].join("\n\n");
}

function targetRow(target: Target): Row {
	const met = isMet(target);
	return {
		id: target.id,
		value: target.value,
		goal: `${target.direction === "at_least" ? "≥" : "≤"} ${target.goal}`,
		met: met === null ? "not measured" : met ? "met" : "NOT MET",
	};
}
