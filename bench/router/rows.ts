import type { Column, Row, Target } from "../lib/result.ts";
import { meanOf } from "../lib/statistics.ts";
import { FLOORS, SAVINGS, type Figures } from "./figures.ts";
import type { PoolFindings } from "./job.ts";
import { POOLS } from "./pools.ts";
import { PUBLISHED } from "./published.ts";

export const COLUMNS: readonly Column[] = [
	{ key: "pool", title: "pool" },
	{ key: "contender", title: "who" },
	{ key: "apgr", title: "APGR", digits: 3 },
	{ key: "cpt50", title: "CPT50 %", digits: 1 },
	{ key: "cpt80", title: "CPT80 %", digits: 1 },
	{ key: "quality", title: "quality", digits: 4 },
	{ key: "gap", title: "oracle gap closed", digits: 3 },
	...FLOORS.flatMap((floor): Column[] => [
		{ key: `quality_${floor * 100}`, title: `quality at ${floor * 100} %`, digits: 3 },
		{ key: `saving_${floor * 100}`, title: `saved at ${floor * 100} %`, digits: 3 },
	]),
	...SAVINGS.flatMap((wanted): Column[] => [
		{ key: `quality_saving_${wanted * 100}`, title: `quality where ${wanted * 100} % is to be saved`, digits: 3 },
		{ key: `saved_saving_${wanted * 100}`, title: `saved where ${wanted * 100} % is to be`, digits: 3 },
	]),
	{ key: "saving", title: "saved", digits: 3 },
	{ key: "escalated", title: "asked the top", digits: 3 },
	{ key: "aiq", title: "AIQ", digits: 4 },
	{ key: "ece", title: "ECE", digits: 3 },
	{ key: "brier", title: "Brier", digits: 4 },
	{ key: "same_tier", title: "same tier", digits: 3 },
	{ key: "tau", title: "tau", digits: 3 },
	{ key: "tau_least", title: "least tau", digits: 3 },
	{ key: "p50_ms", title: "p50 ms", digits: 3 },
	{ key: "p99_ms", title: "p99 ms", digits: 3 },
];

const OURS = "Isobar";
const PRIOR = "domain prior";

/** One line a pool and contender, ours first; where several draws of labels were played, their means. */
export function rowsOf(all: readonly PoolFindings[]): Row[] {
	const rows = POOLS.flatMap(({ id, title }): Row[] => {
		const draws = all.filter(({ pool }) => pool === id);
		if (draws.length === 0) return [];
		const { figures, decisions } = draws[0]!;
		const mean = (of: (figures: Figures) => number | null, i: number) => {
			const values = draws.map((draw) => of(draw.figures[i]!));
			return values.includes(null) ? null : meanOf(values as number[]);
		};
		const contenders = figures.map((each, i): Row => ({
			pool: title,
			contender: each.title,
			apgr: mean(({ apgr }) => apgr, i),
			cpt50: mean(({ cpt50 }) => cpt50, i),
			cpt80: mean(({ cpt80 }) => cpt80, i),
			quality: mean(({ quality }) => quality, i),
			gap: mean(gapClosed, i),
			...pricedRow(each),
			aiq: each.aiq,
			ece: mean(({ ece }) => ece, i),
			brier: mean(({ brier }) => brier, i),
			same_tier: mean(({ sameTier }) => sameTier, i),
			...(each.title === OURS && { p50_ms: decisions.p50, p99_ms: decisions.p99 }),
		}));
		return [
			...contenders,
			{ pool: title, contender: "hull of the single models", aiq: figures[0]!.singlesAiq },
			{ pool: title, contender: "oracle", quality: figures[0]!.oracle, gap: 1 },
		];
	});
	return [...rows, ...PUBLISHED];
}

function gapClosed({ quality, bestSingle, oracle }: Figures): number {
	return (quality - bestSingle) / (oracle - bestSingle);
}

function pricedRow({ floors, savings }: Figures): Row {
	return {
		...Object.fromEntries(
			floors.flatMap(({ floor, quality, saving }) => [
				[`quality_${floor * 100}`, quality],
				[`saving_${floor * 100}`, saving],
			]),
		),
		...Object.fromEntries(
			savings.flatMap(({ wanted, quality, saving }) => [
				[`quality_saving_${wanted * 100}`, quality],
				[`saved_saving_${wanted * 100}`, saving],
			]),
		),
	};
}

/** Of the pools alone; those of cascades and rankings stand with them. */
export function targetsOf(all: readonly PoolFindings[], shippedBytes: number | null): Target[] {
	const pool = (id: string) => all.find((each) => each.pool === id);
	const ours = (id: string) => pool(id)?.figures.find(({ title }) => title === OURS) ?? null;
	const saving = (id: string, share: number) => ours(id)?.savings.find(({ wanted }) => wanted === share) ?? null;
	const mmlu = pool("mmlu") ?? null;
	const draws = all.filter(({ pool: id }) => id === "mmlu_1500").map(({ figures }) => figures[0]!.apgr);
	const { outside = null, dedup = null } = mmlu ?? {};
	const relative = all.map(({ figures }) => briersOf(figures));
	const sixteen = pool("zeroeval")?.decisions ?? null;
	const atLeast = (id: string, value: number | null, goal: number): Target => ({
		id,
		value,
		goal,
		direction: "at_least",
	});
	const atMost = (id: string, value: number | null, goal: number): Target => ({
		id,
		value,
		goal,
		direction: "at_most",
	});
	return [
		atLeast("mmlu_apgr", ours("mmlu")?.apgr ?? null, 0.69),
		atLeast("mmlu_apgr_dedup", dedup?.apgr ?? null, 0.65),
		atLeast("mmlu_apgr_1500", draws.length > 0 ? meanOf(draws) : null, 0.64),
		atLeast("nim9_quality", ours("nim9")?.quality ?? null, 0.65),
		atLeast("mmlupro_quality", saving("mmlupro", 0.35)?.quality ?? null, 0.995),
		atLeast("mmlupro_saving", saving("mmlupro", 0.35)?.saving ?? null, 0.35),
		atLeast("routerbench_quality", saving("routerbench", 0.6)?.quality ?? null, 0.98),
		atLeast("routerbench_saving", saving("routerbench", 0.6)?.saving ?? null, 0.6),
		atMost("ece", all.length > 0 ? Math.max(...all.map(({ figures }) => figures[0]!.ece)) : null, 0.03),
		atMost("brier_vs_domain_prior", relative.length > 0 ? meanOf(relative) : null, 0.99),
		atLeast("gsm8k_ood_gap", outside ? outside.apgr - outside.lengthApgr : null, -0.01),
		atLeast("ood_detected", outside?.detected ?? null, 0.9),
		atMost("decision_ms_p99", sixteen?.p99 ?? null, 0.3),
		atMost("weights_mb", shippedBytes === null ? null : shippedBytes / 1e6, 1.5),
	];
}

function briersOf(figures: readonly Figures[]): number {
	return figures.find(({ title }) => title === OURS)!.brier / figures.find(({ title }) => title === PRIOR)!.brier;
}

export function notesOf(all: readonly PoolFindings[], judgedOnDev: boolean): string[] {
	const sizes = POOLS.flatMap(({ id, title }) => {
		const found = all.find(({ pool }) => pool === id);
		return found ? [`${title}: ${found.learned} prompts learned from, ${found.judged} judged on`] : [];
	});
	const mmlu = all.find(({ pool }) => pool === "mmlu");
	const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
	const outside = mmlu?.outside;
	return [
		judgedOnDev
			? "Judged on a fifth of the development data, by keys; everything was trained on the other four."
			: "Judged on files that nothing was trained on.",
		`${sizes.join("; ")}.`,
		...(mmlu?.dedup
			? [
					`Of MMLU's, ${mmlu.dedup.prompts} have no training neighbour above cosine 0.5: APGR ${mmlu.dedup.apgr.toFixed(3)}.`,
				]
			: []),
		...(outside
			? [
					`Weights of MMLU take ${percent(outside.detected)} of GSM8K's ${outside.prompts} prompts for new, and ${percent(outside.falsely)} of MMLU's; APGR on GSM8K is ${outside.apgr.toFixed(3)}, of the length alone ${outside.lengthApgr.toFixed(3)}.`,
				]
			: []),
	];
}
