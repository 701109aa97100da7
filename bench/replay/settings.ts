import { AGENT_FLEETS, CHAT_FLEETS, type Fleet } from "./fleet.ts";
import { TRACE_IDS, type TraceId } from "./traces/load.ts";

/** One trace on one fleet at one load. */
export interface Setting {
	readonly trace: TraceId;
	readonly fleet: Fleet["id"];
	/** Share of what the fleet can do. */
	readonly load: number;
}

export const LOADS = [0.5, 0.7, 0.9] as const;
/** At which the special circumstances are played. */
export const SPECIAL_LOAD = 0.7;

export const SETTINGS: readonly Setting[] = TRACE_IDS.flatMap((trace) =>
	(["mixed", "equal"] as const).flatMap((fleet) => LOADS.map((load) => ({ trace, fleet, load }))),
);

export function fleetOf({ trace, fleet }: Pick<Setting, "trace" | "fleet">): Fleet {
	return (trace === "agentic" ? AGENT_FLEETS : CHAT_FLEETS).find(({ id }) => id === fleet)!;
}
