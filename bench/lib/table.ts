import type { Column, Row } from "./result.ts";

/** What stands for a value that was not measured. */
const ABSENT = "–";

/** Columns of equal width: numbers right-aligned, names left. */
export function textTable(columns: readonly Column[], rows: readonly Row[]): string {
	const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((column) => cell(column, row)))];
	const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
	const pads = columns.map((column) => isNumeric(column, rows));
	return lines
		.map((line) =>
			line
				.map((text, i) => (pads[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

export function markdownTable(columns: readonly Column[], rows: readonly Row[]): string {
	const line = (cells: readonly string[]) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
	return [
		line(columns.map(({ title }) => title)),
		line(columns.map((column) => (isNumeric(column, rows) ? "---:" : "---"))),
		...rows.map((row) => line(columns.map((column) => cell(column, row)))),
	].join("\n");
}

export function cell({ key, digits = 0 }: Column, row: Row): string {
	const value = row[key] ?? null;
	if (value === null) return ABSENT;
	if (typeof value === "string") return value;
	return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function isNumeric({ key }: Column, rows: readonly Row[]): boolean {
	return rows.some((row) => typeof row[key] === "number");
}
