import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import { trainWeights } from "../../src/shared/router/training/train.ts";
import { writeWeights } from "../../src/shared/router/weights/write.ts";

const SUMS = ["sum", "product", "difference", "quotient"];
const TOPICS = ["rivers", "winter", "bread", "music", "gardens", "trains"];

/** Questions of arithmetic, which only `strong` answers; and requests for some prose, which all write well but `weak`. */
function outcomes(): Outcome[] {
	const scores = (small: number, weak: number) =>
		new Map([
			["small", small],
			["strong", 1],
			["weak", weak],
		]);
	const tokens = new Map([
		["small", 80],
		["strong", 120],
		["weak", 60],
	]);
	return Array.from({ length: 400 }, (_, index): Outcome => {
		const isArithmetic = index % 2 === 0;
		const [a, b] = [(index * 37) % 97, (index * 53) % 89];
		const prompt = isArithmetic
			? `Calculate the ${SUMS[index % 4]} of ${a} and ${b} and give the integer result.`
			: `Write a short friendly paragraph about ${TOPICS[index % 6]} and ${TOPICS[(index + 1) % 6]}, number ${a}.`;
		// A few outcomes are otherwise, as they are.
		const odd = index % 23 === 0 ? 1 : 0;
		return {
			key: String(index),
			prompt,
			domain: isArithmetic ? "arithmetic" : "prose",
			pool: "test",
			scores: isArithmetic ? scores(odd, odd) : scores(1 - odd, 0.2),
			outputTokens: tokens,
			usd: new Map(),
		};
	});
}

export const ARITHMETIC = "Calculate the product of 12 and 41 and give the integer result.";
export const PROSE = "Write a short friendly paragraph about music and winter, number 9.";
export const FOREIGN = "ξένος λόγος ".repeat(40);

/** A directory of assets with weights that were trained on these outcomes. */
export async function routerAssets(): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), "isobar-assets-"));
	await mkdir(join(directory, "router"));
	const settings = { grams: 1_024, width: 8, epochs: 12, rate: 0.3, anchors: 100, terms: 16, folds: 3 };
	await writeFile(
		join(directory, "router", "default.bin"),
		writeWeights(trainWeights(outcomes(), 1, settings).weights),
	);
	return directory;
}
