import type { WarmthSignal } from "../signal.ts";
import { asObject, objectIn, type HeardStatus } from "./heard.ts";

/** Longer than any start: a clock that is wrong, or a container that will not come up. */
const WAKING_SECONDS_MAX = 3_600;

/** Cog's `GET /health-check`. Failed and unhealthy containers tell nothing: they are a matter of health. */
export function cogSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const answer = status === 200 ? objectIn(body) : null;
	const source = "cog_health_check";
	switch (answer?.["status"]) {
		case "READY":
		case "BUSY":
			return { state: "warm", at, source };
		case "STARTING": {
			const startedAt = asObject(answer["setup"])?.["started_at"];
			const wakingFor = typeof startedAt === "string" ? at - Date.parse(startedAt) / 1_000 : Number.NaN;
			const isKnown = wakingFor >= 0 && wakingFor <= WAKING_SECONDS_MAX;
			return { state: "waking", at, source, ...(isKnown && { wakingFor }) };
		}
		default:
			return null;
	}
}
