import { csvRows } from "../data.ts";

/** One request of Azure's 2023 traces of LLM inference. */
export interface AzureRow {
	/** Seconds from the first one. */
	readonly at: number;
	readonly input: number;
	readonly output: number;
}

/** By time. */
export function parseAzure(text: string): AzureRow[] {
	const rows = csvRows(text).map(({ TIMESTAMP, ContextTokens, GeneratedTokens }) => ({
		// Seven digits of a second are too many for Date.
		at: Date.parse(`${TIMESTAMP!.slice(0, 19).replace(" ", "T")}Z`) / 1_000 + Number(TIMESTAMP!.slice(19)),
		input: Math.max(1, Number(ContextTokens)),
		output: Math.max(1, Number(GeneratedTokens)),
	}));
	if (rows.some(({ at, input, output }) => !Number.isFinite(at + input + output)))
		throw new Error("A row of the Azure trace is not time and two numbers of tokens.");
	rows.sort((a, b) => a.at - b.at);
	const start = rows[0]?.at ?? 0;
	return rows.map((row) => ({ ...row, at: row.at - start }));
}

/** `count` of the rows, chosen at random, played so slowly that there are `perSecond` on average. */
export function slowed(rows: readonly AzureRow[], count: number, perSecond: number, rng: () => number): AzureRow[] {
	const share = Math.min(1, count / rows.length);
	const kept = rows.filter(() => rng() < share);
	const span = kept.at(-1)!.at - kept[0]!.at;
	const factor = kept.length / perSecond / span;
	return kept.map((row) => ({ ...row, at: (row.at - kept[0]!.at) * factor }));
}
