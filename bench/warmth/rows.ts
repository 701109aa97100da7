import type { Column, Row, Target } from "../lib/result.ts";
import { geomean, meanOf } from "../lib/statistics.ts";
import { fleetOf } from "./fleet.ts";
import type { Metrics } from "./metrics.ts";
import { TABLE_LEVEL, type Judged, type Standing } from "./judge.ts";
import type { Findings } from "./plan.ts";
import { BASELINES, OURS } from "./policies/all.ts";
import { levelText } from "./settings.ts";
import { TITLES } from "./traffic/load.ts";

export const COLUMNS: readonly Column[] = [
	{ key: "traffic", title: "traffic" },
	{ key: "level", title: "level" },
	{ key: "fleet", title: "fleet" },
	{ key: "policy", title: "policy" },
	{ key: "cost_ratio", title: "ours ÷ its cost at equal misses", digits: 2 },
	{ key: "usd", title: "$ per 1,000", digits: 3 },
	{ key: "within", title: "≤ 2 s", digits: 4 },
	{ key: "p50", title: "p50 s", digits: 2 },
	{ key: "p99", title: "p99 s", digits: 1 },
	{ key: "cold", title: "cold starts seen", digits: 1 },
	{ key: "idle", title: "idle GPU-s" },
	{ key: "boot", title: "starting GPU-s" },
	{ key: "api", title: "API share", digits: 2 },
	{ key: "tuned", title: "tuned to" },
];

/** One line a policy and setting, ours first, then the bound. */
export function rowsOf(all: readonly Findings[]): Row[] {
	return all.flatMap(({ setting, judged }): Row[] => {
		const about = {
			traffic: TITLES[setting.traffic],
			level: levelText(setting.perSecond),
			fleet: fleetOf(setting.fleet).title,
		};
		const rows = [OURS, ...BASELINES].map(({ id, title }): Row => {
			const standings = judged.map((each) => standingOf(each, id));
			return { ...about, policy: title, cost_ratio: costRatio(judged, id), ...figures(standings) };
		});
		const bound = judged.map(({ levels }) => levels.find(({ misses }) => misses === TABLE_LEVEL)!);
		const ratio = geomean(bound.map((level) => level.ours / level.bound));
		const usd = meanOf(bound.map((level) => level.bound));
		const within = 1 - TABLE_LEVEL;
		return [...rows, { ...about, policy: "lower bound", cost_ratio: finite(ratio), usd, within }];
	});
}

function standingOf({ ours, baselines }: Judged, id: string): Standing {
	return id === OURS.id ? ours : baselines.find(({ policy }) => policy === id)!;
}

/** Over seeds and levels of misses. */
function costRatio(judged: readonly Judged[], id: string): number | null {
	const ratios = judged.flatMap((each) => {
		const { frontier } = standingOf(each, id);
		return each.levels.map(({ ours, misses }) => ours / frontier.usdAt(misses));
	});
	return finite(geomean(ratios.filter(Number.isFinite)));
}

function figures(standings: readonly Standing[]): Row {
	const of = (pick: (metrics: Metrics) => number): number | null =>
		finite(meanOf(standings.map(({ shown }) => pick(shown.second))));
	return {
		usd: of(({ usdPerThousand }) => usdPerThousand),
		within: of(({ misses }) => 1 - misses),
		p50: of(({ p50 }) => p50),
		p99: of(({ p99 }) => p99),
		cold: of(({ coldSeen }) => coldSeen),
		idle: of(({ idleSeconds }) => idleSeconds),
		boot: of(({ bootSeconds }) => bootSeconds),
		api: of(({ spilled }) => spilled),
		tuned: [...new Set(standings.map(({ shown }) => shown.title))].join("; "),
	};
}

export interface Score {
	readonly cost: number;
	readonly misses: number;
	/** Of the distance from the best baseline to the bound. */
	readonly gap: number;
}

/** Over the seeds and levels of misses of some settings. */
export function scoreOf(judged: readonly Judged[]): Score {
	const levels = judged.flatMap((each) => each.levels);
	const cost = geomean(levels.map(({ ours, best }) => ours / best));
	const bound = geomean(levels.map(({ bound: least, best }) => least / best));
	const misses = geomean(judged.flatMap(({ missRatios }) => missRatios));
	return { cost, misses, gap: (1 - cost) / (1 - bound) };
}

export function targetsOf(all: readonly Findings[]): Target[] {
	const { cost, misses, gap } = scoreOf(all.flatMap(({ judged }) => judged));
	return [
		{ id: "cost_at_equal_slo", value: finite(cost), goal: 0.75, direction: "at_most" },
		{ id: "misses_at_equal_cost", value: finite(misses), goal: 0.5, direction: "at_most" },
		{ id: "gap_to_bound_closed", value: finite(gap), goal: 0.5, direction: "at_least" },
	];
}

/** The settings in which ours does worst, and each level's scores. */
export function notesOf(all: readonly Findings[]): string[] {
	const scored = all.map(({ setting, judged }) => ({ setting, ...scoreOf(judged) }));
	const name = ({ setting }: (typeof scored)[number]): string =>
		`${TITLES[setting.traffic]}, ${levelText(setting.perSecond)}, ${setting.fleet} pools`;
	const [worst] = scored.toSorted((a, b) => b.cost - a.cost);
	const [mostMisses] = scored.toSorted((a, b) => b.misses - a.misses);
	const each = scored.map(
		(score) => `${name(score)}: ${score.cost.toFixed(2)}, ${score.misses.toFixed(2)}, ${score.gap.toFixed(2)}`,
	);
	return [
		`Worst cost at equal misses: ${worst!.cost.toFixed(2)} (${name(worst!)}).`,
		`Worst misses at equal cost: ${mostMisses!.misses.toFixed(2)} (${name(mostMisses!)}).`,
		`Each setting's cost at equal misses, misses at equal cost, and share of the gap to the bound: ${each.join("; ")}.`,
	];
}

function finite(value: number): number | null {
	return Number.isFinite(value) ? value : null;
}
