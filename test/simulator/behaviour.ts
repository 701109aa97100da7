import { err, ok, type Result } from "../../src/shared/result.ts";
import { FAULT_KINDS, type FaultRule } from "./faults.ts";

/** What can be changed while a replica runs. All seconds are divided by its `speed`. */
export interface Behaviour {
	/** Multiplies every time of the engine. */
	readonly slow: number;
	/** Added before each answer, probes included: the round trip of a far pool. */
	readonly latencySeconds: number;
	/** Nothing listens at the port, and open connections are cut. What comes back is a new process: cold caches, counters
	 *  at zero. */
	readonly refuse: boolean;
	/** What requests meet while the replica starts: they wait, or get 503. */
	readonly whileStarting: "wait" | "503";
	/** How long a start takes; null draws it from the profile's log-normal. */
	readonly coldStartSeconds: number | null;
	/** The replica scales to zero after so long without a request; null: never. */
	readonly idleSeconds: number | null;
	readonly faults: readonly FaultRule[];
}

/** `cold: true` scales the replica to zero now (the next request starts it); `cold: false` makes it warm at once. */
export type BehaviourChange = Partial<Behaviour> & { readonly cold?: boolean };

export const DEFAULT_BEHAVIOUR: Behaviour = {
	slow: 1,
	latencySeconds: 0,
	refuse: false,
	whileStarting: "wait",
	coldStartSeconds: null,
	idleSeconds: null,
	faults: [],
};

const isBoolean = (value: unknown) => typeof value === "boolean";
const isSeconds = (value: unknown) => typeof value === "number" && value >= 0;
const isSecondsOrNull = (value: unknown) => value === null || isSeconds(value);

type Checks<Name extends string> = Readonly<Record<Name, (value: unknown) => boolean>>;

const KNOWN: Checks<keyof BehaviourChange> = {
	slow: (value) => typeof value === "number" && value > 0,
	latencySeconds: isSeconds,
	refuse: isBoolean,
	whileStarting: (value) => value === "wait" || value === "503",
	coldStartSeconds: isSecondsOrNull,
	idleSeconds: isSecondsOrNull,
	faults: (value) => Array.isArray(value) && value.every(isFaultRule),
	cold: isBoolean,
};
const CHECKS: Partial<Checks<string>> = { ...KNOWN };

/** Checks a change that came as JSON from another process; the error names the field. */
export function parseBehaviourChange(value: unknown): Result<BehaviourChange, string> {
	if (typeof value !== "object" || value === null || Array.isArray(value)) return err("a JSON object is expected");
	for (const [name, field] of Object.entries(value)) {
		const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
		if (!check) return err(`no such behaviour: ${name}`);
		if (!check(field)) return err(`bad value for ${name}: ${JSON.stringify(field)}`);
	}
	return ok(value);
}

function isFaultRule(value: unknown): boolean {
	if (typeof value !== "object" || value === null) return false;
	const rule: Readonly<Record<string, unknown>> = { ...value };
	if (!FAULT_KINDS.some((kind) => kind === rule["kind"])) return false;
	switch (rule["kind"]) {
		case "status":
			return typeof rule["status"] === "number" && rule["status"] >= 200 && rule["status"] <= 599;
		case "hang":
			return rule["at"] === "headers" || rule["at"] === "body" || rule["at"] === "events";
		case "cut_stream":
			return typeof rule["afterEvents"] === "number";
		case "content_type":
			return typeof rule["contentType"] === "string";
		default:
			return true;
	}
}
