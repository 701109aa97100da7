import { INFERENCE_PATHS } from "./call.ts";
import type { Rng } from "./random.ts";

/** What can go wrong with an answer. A request may meet several kinds at once (a heartbeat and no usage). */
export type Fault =
	/** An error answer in vLLM's shape. `retryAfter` goes out as it is, so it may be a date or nonsense. */
	| { readonly kind: "status"; readonly status: number; readonly retryAfter?: number | string; readonly body?: string }
	/** Nothing comes any more, from this point on; "events": after `afterEvents` events of a stream. */
	| { readonly kind: "hang"; readonly at: "headers" | "body" | "events"; readonly afterEvents?: number }
	/** The connection ends after `afterEvents` events, in the middle of the next one if `midEvent`. */
	| { readonly kind: "cut_stream"; readonly afterEvents: number; readonly midEvent?: boolean }
	/** The connection ends after half of a plain body. */
	| { readonly kind: "cut_body" }
	/** 200, and a body that is not JSON; in a stream, events that are not. */
	| { readonly kind: "garbage" }
	| { readonly kind: "content_type"; readonly contentType: string }
	| { readonly kind: "no_usage" }
	| { readonly kind: "no_done" }
	/** Comments before the first event of a stream: one at once, then one every `everySeconds` (default 1). */
	| { readonly kind: "heartbeat"; readonly everySeconds?: number };

export type FaultKind = Fault["kind"];

export const FAULT_KINDS = [
	"status",
	"hang",
	"cut_stream",
	"cut_body",
	"garbage",
	"content_type",
	"no_usage",
	"no_done",
	"heartbeat",
] as const satisfies readonly FaultKind[];

/** A fault and whom it meets: each request with `probability` (default 1), `times` requests at most (default: all), at the
 *  paths that start with `path` (default: chat, completions and embeddings). */
export type FaultRule = Fault & {
	readonly probability?: number;
	readonly times?: number;
	readonly path?: string;
};

/** The faults that one request meets: the first rule of each kind that applies. */
export type FaultPlan = { readonly [K in FaultKind]?: Extract<Fault, { kind: K }> };

export class FaultDraw {
	readonly #rng: Rng;
	#rules: { readonly rule: FaultRule; left: number }[] = [];

	constructor(rng: Rng) {
		this.#rng = rng;
	}

	set(rules: readonly FaultRule[]): void {
		this.#rules = rules.map((rule) => ({ rule, left: rule.times ?? Number.POSITIVE_INFINITY }));
	}

	/** The rules that can still apply, with the times that are left. */
	get rules(): readonly FaultRule[] {
		return this.#rules
			.filter(({ left }) => left > 0)
			.map(({ rule, left }) => (Number.isFinite(left) ? { ...rule, times: left } : rule));
	}

	/** Decides for one request, using up rules that count; null when it meets none. */
	draw(path: string): FaultPlan | null {
		if (this.#rules.length === 0) return null;
		let plan: FaultPlan = {};
		let isMet = false;
		for (const entry of this.#rules) {
			const { rule } = entry;
			const applies = rule.path === undefined ? INFERENCE_PATHS.has(path) : path.startsWith(rule.path);
			if (!applies || entry.left <= 0 || plan[rule.kind]) continue;
			if (rule.probability !== undefined && this.#rng() >= rule.probability) continue;
			entry.left--;
			plan = { ...plan, [rule.kind]: rule };
			isMet = true;
		}
		return isMet ? plan : null;
	}
}
