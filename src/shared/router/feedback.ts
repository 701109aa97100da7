import * as z from "zod";
import { problemsError, problemsFrom } from "../catalog/problems.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import { err, ok, type Result } from "../result.ts";
import { FEEDBACK_SOURCES, type FeedbackSource } from "./outcome.ts";

/** Ours: the body of one `POST /v1/feedback`, and how much it may hold. */
export const FEEDBACK_BYTES_MAX = 65_536;
export const FEEDBACK_ITEMS_MAX = 100;

/** What a label is worth. */
export const LABELS = { good: 1, acceptable: 0.5, bad: 0 } as const;

/** One word about one answer. */
export interface Feedback {
	readonly request: string;
	readonly source: FeedbackSource;
	readonly said: { readonly score: number } | { readonly over: string };
}

/** The router's own judge does not come through this door. */
const CLIENT_SOURCES = FEEDBACK_SOURCES.filter((source) => source !== "router");

const requestId = z.string().min(1).max(64);
const item = z.strictObject({
	request_id: requestId,
	score: z.number().min(0).max(1).optional(),
	label: z.enum(Object.keys(LABELS) as [keyof typeof LABELS]).optional(),
	preference: z.strictObject({ over: requestId }).optional(),
	source: z.enum(CLIENT_SOURCES as [FeedbackSource]).default("user"),
});
const list = z.strictObject({ feedback: z.array(z.unknown()).min(1).max(FEEDBACK_ITEMS_MAX) });

/** The body of `POST /v1/feedback`: one word, or a list of them of which each is right or wrong by itself. Fails with
 *  `invalid_json` or `invalid_request`. */
export function readFeedback(
	text: string,
): Result<{ readonly batch: boolean; readonly items: readonly Result<Feedback, IsobarError>[] }, IsobarError> {
	let body: unknown;
	try {
		body = JSON.parse(text);
	} catch (error) {
		return err(
			isobarError("invalid_json", `The body is not JSON: ${error instanceof Error ? error.message : "unreadable"}`),
		);
	}
	const batch = typeof body === "object" && body !== null && Object.hasOwn(body, "feedback");
	if (!batch) {
		const one = readItem(body, []);
		return one.ok ? ok({ batch, items: [one] }) : one;
	}
	const parsed = list.safeParse(body);
	if (!parsed.success) {
		return err(problemsError("invalid_request", "The feedback is not valid", problemsFrom(parsed.error)));
	}
	return ok({ batch, items: parsed.data.feedback.map((each, index) => readItem(each, ["feedback", index])) });
}

function readItem(value: unknown, path: readonly PropertyKey[]): Result<Feedback, IsobarError> {
	const parsed = item.safeParse(value);
	if (!parsed.success) {
		return err(problemsError("invalid_request", "The feedback is not valid", problemsFrom(parsed.error, path)));
	}
	const { request_id: request, score, label, preference, source } = parsed.data;
	const given = Object.entries({ score, label, preference }).filter(([, said]) => said !== undefined);
	if (given.length !== 1) {
		const names = given.map(([name]) => name).join(" and ") || "none";
		const message = `Give one of score, label and preference; this has ${names}`;
		return err(isobarError("invalid_request", message, { param: given[1]?.[0] ?? "score" }));
	}
	if (preference?.over === request) {
		const message = "An answer cannot be preferred to itself";
		return err(isobarError("invalid_request", message, { param: "preference.over" }));
	}
	const said = preference ? { over: preference.over } : { score: score ?? LABELS[label ?? "bad"] };
	return ok({ request, source, said });
}
