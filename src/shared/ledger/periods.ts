import type { Seconds } from "../units.ts";

export type Period = "day" | "month" | "total";

/** The UTC day of an instant: `2026-11-23`. */
export function dayOf(now: Seconds): string {
	return new Date(now * 1_000).toISOString().slice(0, 10);
}

/** The month of a day: `2026-11`. */
export function monthOf(day: string): string {
	return day.slice(0, 7);
}

/** When the period that holds `day` ends and its budget is whole again; null for `total`, which never is. */
export function renewsAt(period: Period, day: string): Seconds | null {
	if (period === "total") return null;
	const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
	return (period === "day" ? Date.UTC(year, month - 1, date + 1) : Date.UTC(year, month, 1)) / 1_000;
}
