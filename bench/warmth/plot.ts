import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { round, svg, text } from "../lib/svg.ts";
import { leastUsd } from "./bound/bound.ts";
import { fleetOf } from "./fleet.ts";
import type { CostAndMisses } from "./frontier.ts";
import type { Findings } from "./plan.ts";
import { BASELINES, OURS } from "./policies/all.ts";
import { levelText } from "./settings.ts";
import { TITLES } from "./traffic/load.ts";

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 60;
const RIGHT = 220;
const TOP = 44;
const BOTTOM = 44;
const COLOURS = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#999933"];
/** Shares of misses are on a logarithmic scale; none at all stands at its lower end. */
const MISSES_MIN = 1e-4;
const BOUND_LEVELS = [1e-4, 1e-3, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 1];

export interface Line {
	readonly title: string;
	readonly colour: string;
	readonly width: number;
	readonly points: readonly CostAndMisses[];
}

/** Writes a chart a setting into the directory, from its first seed: cost against misses on the judged half, a point for each set of
 *  parameters that was undominated on the first. */
export async function writePlots(directory: string, all: readonly Findings[]): Promise<void> {
	await mkdir(directory, { recursive: true });
	for (const findings of all) {
		const { traffic, perSecond, fleet } = findings.setting;
		const heading = `${TITLES[traffic]}, ${levelText(perSecond)}; ${fleetOf(fleet).title}`;
		const name = `${traffic}-${fleet}-${levelText(perSecond).replaceAll(" ", "-")}.svg`;
		await writeFile(join(directory, name), chart(heading, linesOf(findings)));
	}
}

function linesOf({ judged, played }: Findings): Line[] {
	const { ours, baselines } = judged[0]!;
	const { bound } = played[0]!;
	const count = ours.shown.second.requests;
	const known = [OURS, ...BASELINES].map(({ id, title }, index): Line => {
		const standing = id === OURS.id ? ours : baselines.find(({ policy }) => policy === id)!;
		const points = standing.chosen
			.map(({ second }) => ({ usd: second.usdPerThousand, misses: second.misses }))
			.toSorted((a, b) => a.usd - b.usd);
		const isOurs = id === OURS.id;
		return { title, colour: isOurs ? "#cc3311" : COLOURS[index - 1]!, width: isOurs ? 3 : 1.5, points };
	});
	const least = BOUND_LEVELS.map((misses) => ({ misses, usd: (1_000 * leastUsd(bound, misses, count)) / count }));
	return [...known, { title: "lower bound", colour: "#000", width: 1, points: least }];
}

/** An SVG chart; costs from zero on. */
export function chart(heading: string, lines: readonly Line[]): string {
	// Of what is absurdly dear only the beginning is shown.
	const [ours] = lines;
	const most = 2 * Math.max(...(ours?.points ?? []).map(({ usd }) => usd), 1e-9);
	const x = (usd: number): number => LEFT + (Math.min(usd, most) / most) * (WIDTH - LEFT - RIGHT);
	const y = (misses: number): number =>
		TOP + (Math.log10(Math.max(misses, MISSES_MIN)) / Math.log10(MISSES_MIN)) * (HEIGHT - TOP - BOTTOM);
	const parts = [text(LEFT, 22, heading, "start"), text(LEFT, HEIGHT - 6, "USD per 1,000 requests", "start")];
	for (const misses of [1, 0.1, 0.01, 1e-3, MISSES_MIN]) {
		const at = round(y(misses));
		parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
		parts.push(text(LEFT - 8, at + 4, `${misses === MISSES_MIN ? "≤ " : ""}${misses * 100} %`, "end"));
	}
	for (let n = 0; n <= 4; n++)
		parts.push(text(x((most * n) / 4), HEIGHT - 22, ((most * n) / 4).toPrecision(2), "middle"));
	lines.forEach(({ title, colour, width, points }, index) => {
		const shown = points.filter(({ usd }) => usd <= most);
		const path = shown.map(({ usd, misses }) => `${round(x(usd))},${round(y(misses))}`).join(" ");
		parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${width}"/>`);
		for (const { usd, misses } of shown)
			parts.push(`<circle cx="${round(x(usd))}" cy="${round(y(misses))}" r="${width + 1}" fill="${colour}"/>`);
		parts.push(text(WIDTH - RIGHT + 10, TOP + 16 * index, title, "start", colour));
	});
	return svg(WIDTH, HEIGHT, parts);
}
