import type { Row, Target } from "../lib/result.ts";
import { median, percentile } from "../lib/statistics.ts";
import type { Contender } from "./contender.ts";
import type { Load } from "./loads.ts";
import type { WorkerSize } from "./worker-size.ts";

export type ContenderId = Contender["id"];

/** Of one load: what every contender did in the same rounds. */
export interface Measured {
	readonly load: Pick<Load, "id" | "title">;
	readonly contenders: readonly MeasuredContender[];
}

export interface MeasuredContender {
	readonly id: ContenderId;
	readonly title: string;
	/** Requests a second at saturation, one number a round; null when it could not be run. */
	readonly perSecond: readonly number[] | null;
	/** At half of that, with the pool itself under the same schedule of requests; null where that means nothing. */
	readonly open: OpenMeasure | null;
}

export interface OpenMeasure {
	readonly rate: number;
	readonly rounds: readonly OpenRound[];
}

/** Milliseconds from when each request was due to the end of its answer. */
export interface OpenRound {
	readonly through: readonly number[];
	readonly direct: readonly number[];
}

export function rowsOf(measured: readonly Measured[]): Row[] {
	return measured.flatMap((each) => each.contenders.map((contender) => rowOf(each, contender)));
}

function rowOf(measured: Measured, { id, title, perSecond, open }: MeasuredContender): Row {
	return {
		load: measured.load.title,
		through: title,
		vs_passthrough: ratio(measured, id, "pass_through"),
		vs_portkey: ratio(measured, id, "portkey"),
		requests_per_second: perSecond && median(perSecond),
		range: perSecond && `${Math.round(Math.min(...perSecond))}–${Math.round(Math.max(...perSecond))}`,
		added_p50_ms: added(open, 50),
		added_p99_ms: added(open, 99),
		at_requests_per_second: open && open.rate,
	};
}

/** The median over the rounds of one contender's rate over the other's in the same round, so that what slows the machine for a
 *  while slows both. Null when one of them was not measured. */
export function ratio(measured: Measured, id: ContenderId, other: ContenderId): number | null {
	const of = (wanted: ContenderId) => measured.contenders.find((each) => each.id === wanted)?.perSecond;
	const [ours, theirs] = [of(id), of(other)];
	if (!ours || !theirs) return null;
	return median(ours.map((rate, round) => rate / theirs[round]!));
}

/** The median over the rounds, so that one stall is not the tail of all. */
function added(open: OpenMeasure | null, p: number): number | null {
	return open && median(open.rounds.map(({ through, direct }) => percentile(through, p) - percentile(direct, p)));
}

export function targetsOf(measured: readonly Measured[], size: WorkerSize): Target[] {
	const isobarOver = (load: Load["id"], other: ContenderId) => {
		const found = measured.find((each) => each.load.id === load);
		return found ? ratio(found, "isobar", other) : null;
	};
	return [
		{ id: "small_vs_passthrough", value: isobarOver("small", "pass_through"), goal: 0.5, direction: "at_least" },
		{ id: "small_vs_portkey", value: isobarOver("small", "portkey"), goal: 1.7, direction: "at_least" },
		{ id: "large_vs_passthrough", value: isobarOver("large", "pass_through"), goal: 0.5, direction: "at_least" },
		{ id: "large_vs_portkey", value: isobarOver("large", "portkey"), goal: 3, direction: "at_least" },
		{ id: "bundle_gz_kb", value: size.gzipKb, goal: 300, direction: "at_most" },
		{ id: "startup_cpu_ms", value: size.startupMs, goal: 50, direction: "at_most" },
	];
}
