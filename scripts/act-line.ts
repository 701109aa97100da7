import * as z from "zod";

/** What the Worker logs when a scheduler wakes a pool, keeps it warm or lets it go: one JSON object on one line. */
const actLog = z.object({
	event: z.literal("warmth"),
	replica: z.string(),
	act: z.enum(["wake", "keep", "let_go", "idle_timeout"]),
	reason: z.enum(["demand", "regret", "waiting"]),
	because: z.record(z.string(), z.number()),
});
export type ActLog = z.infer<typeof actLog>;

/** The act that a line of the Worker's log tells of; null for any other line. */
export function parseActLog(line: string): ActLog | null {
	if (!line.startsWith('{"event":"warmth"')) return null;
	try {
		return actLog.safeParse(JSON.parse(line)).data ?? null;
	} catch {
		return null;
	}
}

const VERBS: Readonly<Record<ActLog["act"], string>> = {
	wake: "starts",
	keep: "is kept warm",
	let_go: "is let go",
	idle_timeout: "gets another idle time-out",
};

/** An act as one line for a terminal:
 *  `l40s-serverless/a starts: going elsewhere has cost $0.0712, a start costs $0.0678`. */
export function formatAct({ replica, act, reason, because }: ActLog): string {
	return `${replica} ${VERBS[act]}: ${why(reason, because)}`;
}

function why(reason: ActLog["reason"], because: ActLog["because"]): string {
	if (reason === "waiting") return "requests wait for it";
	const usd = (name: string): string => `$${(because[name] ?? 0).toFixed(4)}`;
	if (reason === "regret") return `going elsewhere has cost ${usd("regret_usd")}, a start costs ${usd("start_usd")}`;
	const rate = (name: string): string => (because[name] ?? 0).toPrecision(2);
	const idle = because["idle_seconds"];
	const found = `${rate("requests_per_second")} requests a second are likely, ${rate("break_even_per_second")} pay`;
	return idle === undefined ? found : `${found}; ${idle} s`;
}
