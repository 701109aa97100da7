import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { ENCODINGS } from "../../../src/shared/federated/encoding.ts";
import type { Part } from "../../../src/shared/federated/shard-plan.ts";
import { ClientError } from "./errors.ts";

/** Work for a client: to train from `base`, with the run's configuration. */
export interface Task {
	/** Of the update that answers it. */
	readonly update: string;
	readonly round: number;
	readonly base: { readonly version: number; readonly digest: string };
	/** Unix seconds. */
	readonly deadline: number;
	readonly config: Readonly<Record<string, unknown>>;
	readonly encodings: readonly Encoding[];
	readonly weight_max: number;
}

export type TaskAnswer =
	| { readonly task: Task }
	| { readonly task: null; readonly reason: string; readonly retry_at: number | null };

/** What was decided about an update. */
export interface Decision {
	readonly id: string;
	readonly state: "pending" | "accepted" | "refused";
	readonly round?: number;
	readonly version?: number;
	readonly version_digest?: string;
	readonly weight?: number;
	readonly reason?: { readonly code: string; readonly message: string };
}

/** An update that is not decided. */
export interface OpenUpdate {
	readonly state: "open";
	readonly parts: {
		readonly total: number;
		readonly stored: readonly { readonly part: number; readonly digest: string }[];
		readonly missing: readonly number[];
	};
}

export interface Plan {
	readonly encoding: Encoding;
	readonly parts: readonly Part[];
}

/** What training has to report: `examples` counts as the update's weight; `steps` and `loss` where the rule needs them. */
export interface Report {
	readonly examples: number;
	readonly steps?: number;
	readonly loss?: number;
	readonly metrics?: Readonly<Record<string, number>>;
}

/** Names files too, so that it is nothing else. */
const DIGEST = /^[0-9a-f]{64}$/;

export function readTaskAnswer(body: unknown): TaskAnswer {
	const { task } = fields(body, "task");
	if (task === null) {
		const { reason, retry_at } = fields(body, "task");
		return { task, reason: String(reason), retry_at: typeof retry_at === "number" ? retry_at : null };
	}
	const { update, round, base, deadline, config, encodings, weight_max } = fields(task, "task");
	const { version, digest } = fields(base, "task.base");
	const isWhole =
		typeof update === "string" &&
		/^[\w.-]{1,200}$/.test(update) &&
		typeof digest === "string" &&
		DIGEST.test(digest) &&
		[round, version, deadline, weight_max].every((each) => typeof each === "number") &&
		Array.isArray(encodings);
	if (!isWhole) throw invalid("task");
	return {
		task: {
			update,
			round: round as number,
			base: { version: version as number, digest },
			deadline: deadline as number,
			config: fields(config, "task.config"),
			encodings: ENCODINGS.filter((each) => encodings.includes(each)),
			weight_max: weight_max as number,
		},
	};
}

/** Which version an answer has. */
export function readVersion(headers: Headers): Task["base"] {
	const digest = headers.get("x-isobar-digest") ?? "";
	if (!DIGEST.test(digest)) throw invalid("x-isobar-digest");
	return { version: Number(headers.get("x-isobar-version")), digest };
}

/** A plan whose parts cover the model once and in order; anything else could be an update that sends what it should not. */
export function readPlan(body: unknown, encoding: Encoding, parameters: number): Plan {
	const { parts } = fields(body, "plan");
	if (!Array.isArray(parts)) throw invalid("plan");
	let next = 0;
	const read = parts.map((value, index): Part => {
		const { part, shard, begin, end, bytes } = fields(value, "plan.parts") as Partial<Part>;
		if (part !== index || begin !== next || !(end! > begin)) throw invalid(`plan.parts[${index}]`);
		next = end!;
		return { part, shard: shard!, begin, end: next, bytes: bytes! };
	});
	if (next !== parameters) throw invalid("plan.parameters");
	return { encoding, parts: read };
}

export function readUpdate(body: unknown): Decision | OpenUpdate {
	const update = fields(body, "update");
	switch (update["state"]) {
		case "open":
		case "pending":
		case "accepted":
		case "refused":
			return update as unknown as Decision | OpenUpdate;
		default:
			throw invalid("update.state");
	}
}

function fields(value: unknown, name: string): Readonly<Record<string, unknown>> {
	if (typeof value !== "object" || value === null) throw invalid(name);
	return value as Readonly<Record<string, unknown>>;
}

function invalid(name: string): ClientError {
	return new ClientError("answer_invalid", `the run's answer cannot be read: ${name}`);
}
