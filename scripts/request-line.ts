import * as z from "zod";

/** What the Worker logs of a request: one JSON object on one line. */
const requestLog = z.object({
	event: z.literal("request"),
	id: z.string(),
	model: z.string().nullable(),
	/** Of a request whose model a router has chosen: which, and why that model. */
	router: z.string().optional(),
	route: z.string().optional(),
	pool: z.string().nullable(),
	replica: z.string().nullable(),
	why: z.string().nullable(),
	status: z.number(),
	outcome: z.enum(["ok", "failed", "refused", "client_gone", "cut"]),
	error: z.string().optional(),
	attempts: z.number(),
	ttft_seconds: z.number().nullable(),
	prompt_tokens: z.number().nullable(),
	cached_tokens: z.number().nullable(),
	completion_tokens: z.number().nullable(),
	cost_usd: z.number().nullable(),
	seconds: z.number(),
});
export type RequestLog = z.infer<typeof requestLog>;

/** The request that a line of the Worker's log tells of; null for any other line. */
export function parseRequestLog(line: string): RequestLog | null {
	if (!line.startsWith("{")) return null;
	try {
		return requestLog.safeParse(JSON.parse(line)).data ?? null;
	} catch {
		return null;
	}
}

/** What stands behind the status where it does not say how the request ended. */
const ENDINGS: Readonly<Record<RequestLog["outcome"], string>> = {
	ok: "",
	failed: "",
	refused: " refused by the pool",
	client_gone: " client gone",
	cut: " cut",
};

/** A request as one line for a terminal, the router and its reason before the model that it chose (`auto:ID (…) > MODEL`):
 *  `200 llama-3.1-8b on h100/a (fastest) TTFT 0.21 s, 1.40 s, 34 + 120 tokens, $0.0000040` or, where it did not go well,
 *  `502 upstream_failed llama-3.1-8b on h100/b (…) 3 attempts, 0.02 s, …` */
export function formatRequest(log: RequestLog): string {
	const replica = log.replica?.includes("/") ? log.replica : [log.pool, log.replica].filter(Boolean).join("/");
	const cached = log.cached_tokens ? ` (${log.cached_tokens} cached)` : "";
	const figures = [
		log.attempts > 1 ? `${log.attempts} attempts` : null,
		log.ttft_seconds === null ? null : `TTFT ${log.ttft_seconds.toFixed(2)} s`,
		`${log.seconds.toFixed(2)} s`,
		log.prompt_tokens === null ? null : `${log.prompt_tokens}${cached} + ${log.completion_tokens ?? 0} tokens`,
		log.cost_usd === null ? null : `$${log.cost_usd.toFixed(7)}`,
	].filter((figure) => figure !== null);
	const ending = ENDINGS[log.outcome] + (log.error ? ` ${log.error}` : "");
	const where = replica ? ` on ${replica}` : "";
	const why = log.why ? ` (${log.why})` : "";
	const router = log.router === undefined ? "" : `auto:${log.router} (${log.route ?? ""}) > `;
	return `${log.status}${ending} ${router}${log.model ?? "-"}${where}${why} ${figures.join(", ")}`;
}
