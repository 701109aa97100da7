import type { Column, Row, Target } from "../lib/result.ts";
import { geomean } from "../lib/statistics.ts";
import { average, bestOf, ratioOf, type MetricName, type Played } from "./compare.ts";
import { SPECIAL, type Findings } from "./plan.ts";
import { OTHERS } from "./policies/all.ts";
import { KEY_POLICIES } from "./policies/isobar.ts";
import { fleetOf } from "./settings.ts";
import { TRACES } from "./traces/load.ts";

export const COLUMNS: readonly Column[] = [
	{ key: "trace", title: "trace" },
	{ key: "fleet", title: "fleet" },
	{ key: "load", title: "load" },
	{ key: "router", title: "router" },
	{ key: "mean_ratio", title: "mean ÷ ours", digits: 2 },
	{ key: "mean_ratio_95", title: "95 %" },
	{ key: "p99_ratio", title: "p99 ÷ ours", digits: 2 },
	{ key: "goodput_ratio", title: "ours ÷ its goodput", digits: 2 },
	{ key: "hit", title: "hit", digits: 3 },
	{ key: "mean_s", title: "mean s", digits: 2 },
	{ key: "p50_s", title: "p50 s", digits: 2 },
	{ key: "p99_s", title: "p99 s", digits: 1 },
	{ key: "within_2s", title: "≤ 2 s", digits: 3 },
	{ key: "goodput", title: "goodput req/s", digits: 2 },
	{ key: "usd_per_million", title: "$ per M tokens", digits: 3 },
	{ key: "tuned", title: "tuned to" },
];

const TITLES = new Map<string, string>([
	["ours", "Isobar"],
	["limit", "limit: one pooled replica, endless cache"],
	...OTHERS.map(({ id, title }): [string, string] => [id, title]),
	...SPECIAL.map(({ id, title }): [string, string] => [id, title]),
]);

/** One line a router and setting, ours first; those in special circumstances are compared with ours in none. */
export function rowsOf(all: readonly Findings[]): Row[] {
	return all.flatMap((findings) => [
		...findings.played.map((played) => rowOf(findings, played, findings.played[0]!, "")),
		...findings.restarted.map((played) => rowOf(findings, played, findings.restarted[0]!, ", replicas restart")),
	]);
}

function rowOf({ setting, variants }: Findings, played: Played, ours: Played, suffix: string): Row {
	const mean = ratioOf(played, ours, "mean");
	const of = (name: MetricName): number | null => finite(average(played, name));
	return {
		trace: TRACES[setting.trace].title,
		fleet: `${setting.fleet}: ${fleetOf(setting).title}`,
		load: `${Math.round(setting.load * 100)} %`,
		router: TITLES.get(played.id)! + suffix,
		mean_ratio: mean.value,
		mean_ratio_95: mean.low === null ? null : `${mean.low.toFixed(2)}–${mean.high!.toFixed(2)}`,
		p99_ratio: ratioOf(played, ours, "p99").value,
		goodput_ratio: finite(ratioOf(ours, played, "goodput").value),
		hit: of("hitRate"),
		mean_s: of("mean"),
		p50_s: of("p50"),
		p99_s: of("p99"),
		within_2s: of("withinGoal"),
		goodput: of("goodput"),
		usd_per_million: of("usdPerMillion"),
		tuned: tunedText(played.id, variants),
	};
}

function tunedText(id: string, variants: ReadonlyMap<string, number>): string | null {
	const variant = variants.get(id);
	if (variant === undefined) return null;
	if (id === "ours") {
		const { ttftGoal, harmWeight } = KEY_POLICIES[variant]!;
		return `TTFT goal ${ttftGoal} s, harm weight ${harmWeight}`;
	}
	return OTHERS.find((other) => other.id === id)!.variants[variant] || null;
}

/** The best other router over ours in this metric: above 1, ours is better. For goodput ours over the best other. */
export function gainOf({ played }: Findings, name: "mean" | "p99" | "goodput"): number {
	const ours = played[0]!;
	const others = played.filter(({ id }) => OTHERS.some((other) => other.id === id));
	const best = bestOf(others, name);
	return name === "goodput" ? ratioOf(ours, best, name).value : ratioOf(best, ours, name).value;
}

export function targetsOf(all: readonly Findings[]): Target[] {
	const gains = (fleet: "mixed" | "equal" | null, name: "mean" | "p99" | "goodput"): number[] =>
		all.filter(({ setting }) => fleet === null || setting.fleet === fleet).map((each) => gainOf(each, name));
	const places = all.flatMap(({ played }) => {
		const [one, many] = ["places_1", "places_64"].map((wanted) => played.find(({ id }) => id === wanted));
		return one && many ? [ratioOf(many, one, "mean").value] : [];
	});
	const atLeast = (id: string, value: number, goal: number): Target => ({ id, value, goal, direction: "at_least" });
	return [
		atLeast("mixed_mean_gain_min", Math.min(...gains("mixed", "mean")), 1.2),
		atLeast("mixed_mean_gain_geomean", geomean(gains("mixed", "mean")), 1.5),
		atLeast("mixed_p99_gain_min", Math.min(...gains("mixed", "p99")), 1.1),
		atLeast("equal_mean_gain_min", Math.min(...gains("equal", "mean")), 0.97),
		atLeast("equal_p99_gain_min", Math.min(...gains("equal", "p99")), 0.97),
		atLeast("goodput_gain_geomean", geomean(gains(null, "goodput")), 1.2),
		{ id: "places64_mean_ratio", value: geomean(places), goal: 1.1, direction: "at_most" },
	];
}

function finite(value: number): number | null {
	return Number.isFinite(value) ? value : null;
}
