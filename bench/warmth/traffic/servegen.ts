import { csvRows } from "../data.ts";
import { gamma, weibull } from "./random.ts";

/** How one client sends in one window. */
export interface Window {
	readonly client: string;
	/** Seconds from the start of the trace. */
	readonly from: number;
	readonly perSecond: number;
	readonly law: "Gamma" | "Weibull";
	readonly shape: number;
	readonly scale: number;
}

export const WINDOW_SECONDS = 600;
const CLIENTS = 6;

/** The windows of one pool of ServeGen's rates. */
export function parseRates(text: string, pool: string): Window[] {
	// Most rows are of other pools.
	const [head, ...lines] = text.split("\n");
	const own = [head, ...lines.filter((line) => line.startsWith(`${pool},`))].join("\n");
	return csvRows(own).flatMap((row): Window[] => {
		const { client, window_start_s: from, rate_rps: rate, arrival, shape_a: shape, shape_b: scale } = row;
		const window = { from: Number(from), perSecond: Number(rate), shape: Number(shape), scale: Number(scale) };
		if (arrival !== "Gamma" && arrival !== "Weibull") return [];
		if (!(window.perSecond > 0 && window.shape > 0 && window.scale > 0)) return [];
		return [{ client: client!, law: arrival, ...window }];
	});
}

/** Arrivals of six clients that `rng` chooses, from a day that it chooses, for as long as `count` requests take at `perSecond` on
 *  average; each client gets an equal share of them. */
export function arrivalsOf(
	windows: readonly Window[],
	count: number,
	perSecond: number,
	rng: () => number,
): { readonly at: number; readonly client: number }[] {
	const span = Math.ceil(count / perSecond / WINDOW_SECONDS) * WINDOW_SECONDS;
	const end = Math.max(...windows.map(({ from }) => from)) + WINDOW_SECONDS;
	const days = Math.max(1, Math.floor((end - span) / 86_400));
	const start = Math.floor(rng() * days) * 86_400;
	const within = windows.filter(({ from }) => from >= start && from < start + span);
	const clients = shuffled([...new Set(within.map(({ client }) => client))], rng).slice(0, CLIENTS);
	const chosen = within.filter(({ client }) => clients.includes(client));
	// Of clients that differ a thousandfold each gets as much to say, or one would be all there is.
	const totals = new Map<string, number>();
	for (const { client, perSecond: rate } of chosen) totals.set(client, (totals.get(client) ?? 0) + rate);
	const arrivals: { at: number; client: number }[] = [];
	const share = (perSecond * span) / WINDOW_SECONDS / clients.length;
	for (const window of chosen) {
		const factor = share / totals.get(window.client)!;
		for (const at of arrivalsIn(window, factor, rng))
			arrivals.push({ at: at - start, client: clients.indexOf(window.client) });
	}
	return arrivals.sort((a, b) => a.at - b.at);
}

/** As many as the rate says, a fraction of one by chance; their gaps are drawn from the law and then fill the window, as ServeGen's
 *  own generator has it. */
function arrivalsIn({ from, perSecond, law, shape, scale }: Window, factor: number, rng: () => number): number[] {
	const count = Math.floor(perSecond * factor * WINDOW_SECONDS + rng());
	const draw = law === "Gamma" ? gamma : weibull;
	const gaps = Array.from({ length: count + 1 }, () => draw(rng, shape, scale));
	const total = gaps.reduce((sum, gap) => sum + gap, 0);
	let at = from;
	return gaps.slice(0, count).map((gap) => (at += (gap / total) * WINDOW_SECONDS));
}

function shuffled<T>(values: readonly T[], rng: () => number): T[] {
	const keys = new Map(values.map((value) => [value, rng()]));
	return values.toSorted((a, b) => keys.get(a)! - keys.get(b)!);
}
