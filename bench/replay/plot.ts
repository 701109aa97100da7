import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { round, svg, text } from "../lib/svg.ts";
import { average, type MetricName, type Played } from "./compare.ts";
import type { Findings } from "./plan.ts";
import { OTHERS } from "./policies/all.ts";
import { fleetOf, LOADS } from "./settings.ts";
import { TRACES } from "./traces/load.ts";

const PLOTTED: readonly { readonly name: MetricName; readonly title: string }[] = [
	{ name: "mean", title: "mean TTFT, s" },
	{ name: "p99", title: "p99 TTFT, s" },
];
const WIDTH = 640;
const HEIGHT = 420;
const LEFT = 60;
const RIGHT = 210;
const TOP = 44;
const BOTTOM = 44;
const COLOURS = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#bbbbbb", "#999933", "#882255", "#44aa99"];

/** Writes one chart a trace, fleet and metric into the directory: a line a router over the loads, on a logarithmic scale. */
export async function writePlots(directory: string, all: readonly Findings[]): Promise<void> {
	await mkdir(directory, { recursive: true });
	const groups = Map.groupBy(all, ({ setting }) => `${setting.trace}-${setting.fleet}`);
	for (const [group, findings] of groups) {
		for (const { name, title } of PLOTTED) {
			const { setting } = findings[0]!;
			const heading = `${TRACES[setting.trace].title}, ${fleetOf(setting).title}: ${title}`;
			await writeFile(join(directory, `${group}-${name}.svg`), chart(heading, linesOf(findings, name)));
		}
	}
}

export interface Line {
	readonly title: string;
	/** One value a load, in the order of LOADS. */
	readonly values: readonly number[];
	readonly emphasis: boolean;
}

function linesOf(findings: readonly Findings[], name: MetricName): Line[] {
	const known = [
		{ id: "ours", title: "Isobar" },
		{ id: "limit", title: "limit" },
		...OTHERS.map(({ id, title }) => ({ id, title })),
	];
	return known.map(({ id, title }) => ({
		title,
		emphasis: id === "ours",
		values: findings.map(({ played }) =>
			average(
				played.find((each): each is Played => each.id === id)!,
				name,
			),
		),
	}));
}

/** An SVG chart of the lines; the scale spans what is plotted. */
export function chart(heading: string, lines: readonly Line[]): string {
	const values = lines.flatMap((line) => line.values).filter((value) => value > 0 && Number.isFinite(value));
	const low = Math.floor(Math.log10(Math.min(...values)));
	const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
	const x = (index: number): number => LEFT + (index / (LOADS.length - 1)) * (WIDTH - LEFT - RIGHT);
	const y = (value: number): number =>
		HEIGHT - BOTTOM - ((Math.log10(value) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
	const parts: string[] = [text(LEFT, 22, heading, "start")];
	for (let power = low; power <= high; power++) {
		const at = y(10 ** power);
		parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(at)}" y2="${round(at)}" stroke="#ddd"/>`);
		parts.push(text(LEFT - 8, at + 4, String(10 ** power), "end"));
	}
	LOADS.forEach((load, index) => parts.push(text(x(index), HEIGHT - 18, `${Math.round(load * 100)} %`, "middle")));
	const byEnd = lines.toSorted((a, b) => a.values.at(-1)! - b.values.at(-1)!);
	let free = HEIGHT - BOTTOM + 8;
	byEnd.forEach(({ title, values: points, emphasis }, index) => {
		const colour = emphasis ? "#cc3311" : COLOURS[index % COLOURS.length]!;
		const path = points.map((value, n) => `${round(x(n))},${round(y(Math.max(value, 10 ** low)))}`).join(" ");
		parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${emphasis ? 3 : 1.5}"/>`);
		// Names do not cover one another.
		free = Math.min(free - 14, y(Math.max(points.at(-1)!, 10 ** low)) + 4);
		parts.push(text(WIDTH - RIGHT + 10, free, title, "start", colour));
	});
	return svg(WIDTH, HEIGHT, parts);
}
