import { RECORD_BYTES_MAX } from "../limits.ts";
import type { RouteExplanation } from "../router/explanation.ts";
import type { Explanation } from "../scheduler/explanation.ts";
import type { RequestRecord } from "./messages.ts";

/** Longer texts are cut: names and messages are short, but a client may send a model name of megabytes. */
const TEXT_CHARS_MAX = 500;
const ATTEMPTS_MAX = 16;

/** JSON, of which a part is nothing. */
const WHOLE: ReadonlySet<string> = new Set(["decision", "route"]);

const encoder = new TextEncoder();

/** What a record says of its decision, whichever version wrote it. */
export function explanationIn(decision: NonNullable<RequestRecord["decision"]>): Explanation {
	return typeof decision === "string" ? (JSON.parse(decision) as Explanation) : decision;
}

/** How a routed request found its model; null where the client named it, or it was too large to keep. */
export function routeIn({ route }: Pick<RequestRecord, "route">): RouteExplanation | null {
	return route === undefined ? null : (JSON.parse(route) as RouteExplanation);
}

/** A record as it is stored: JSON of at most RECORD_BYTES_MAX bytes. The explained decision is left out when it does not fit. */
export function recordText(record: RequestRecord): string {
	const text = JSON.stringify(record);
	if (isShort(text)) return text;
	const slim = { ...record, attempts: record.attempts.slice(0, ATTEMPTS_MAX) };
	const cut = cutText(slim);
	if (isShort(cut)) return cut;
	const plain = cutText({ ...slim, decision: null });
	if (isShort(plain)) return plain;
	const { route: _route, ...rest } = slim;
	return cutText({ ...rest, decision: null });
}

function cutText(record: RequestRecord): string {
	return JSON.stringify(record, (name, value: unknown) =>
		typeof value === "string" && value.length > TEXT_CHARS_MAX && !WHOLE.has(name)
			? value.slice(0, TEXT_CHARS_MAX) + "…"
			: value,
	);
}

function isShort(text: string): boolean {
	// No character takes more than three bytes for each of its UTF-16 units.
	return text.length * 3 <= RECORD_BYTES_MAX || encoder.encode(text).byteLength <= RECORD_BYTES_MAX;
}
