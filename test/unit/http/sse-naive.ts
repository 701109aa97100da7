import { reportedUsage, type ReportedUsage } from "../../../src/shared/http/usage.ts";

/** What the tap must say of a stream, from the whole of its text by the plainest means. */
export interface NaiveReading {
	readonly forward: string;
	readonly dataEvents: number;
	readonly tokenEvents: number;
	readonly done: boolean;
	readonly finished: boolean;
	readonly error: boolean;
	readonly usage: ReportedUsage | null;
}

const OUTPUT = ["content", "reasoning_content", "reasoning", "text", "refusal", "tool_calls", "function_call", "audio"];

export function readNaively(text: string, dropUsageEvent: boolean): NaiveReading {
	const seen = { dataEvents: 0, tokenEvents: 0, done: false, finished: false, error: false };
	let usage: ReportedUsage | null = null;
	let forward = "";
	for (const event of eventsOf(text)) {
		let drop = false;
		const { data, name } = fieldsOf(event);
		if (data !== null) {
			seen.dataEvents++;
			const value = parsed(data);
			if (data.trim() === "[DONE]") seen.done = true;
			if (membersOf(value).some(([key, inner]) => OUTPUT.includes(key) && isFilled(inner))) seen.tokenEvents++;
			if (membersOf(value).some(([key, inner]) => key === "finish_reason" && isFilled(inner))) seen.finished = true;
			const top = isRecord(value) && !Array.isArray(value) ? value : {};
			const failed = (top["error"] ?? null) !== null;
			if (failed || name === "error") seen.error = true;
			if (isRecord(top["usage"]) && !Array.isArray(top["usage"])) {
				usage = reportedUsage(top["usage"]);
				drop = dropUsageEvent && Array.isArray(top["choices"]) && top["choices"].length === 0 && !failed;
			}
		}
		if (!drop) forward += event;
	}
	return { ...seen, usage, forward };
}

/** Cuts at blank lines, and after a comment that no other line of an event stands before. */
function eventsOf(text: string): string[] {
	const events: string[] = [];
	let event = "";
	for (const { 0: whole, 1: line } of text.matchAll(/([^\r\n]*)(?:\r\n|\r|\n)/g)) {
		event += whole;
		if (line !== "" && !event.startsWith(":")) continue;
		events.push(event);
		event = "";
	}
	return events;
}

function fieldsOf(event: string): { readonly data: string | null; readonly name: string } {
	const fields = event.split(/\r\n|\r|\n/).map((line) => /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []);
	const data = fields.filter(([, name]) => name === "data").map(([, , value]) => value ?? "");
	const name = fields.findLast(([, name]) => name === "event")?.[2] ?? "";
	return { data: data.length > 0 ? data.join("\n") : null, name };
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null;
}

function membersOf(value: unknown): [string, unknown][] {
	if (!isRecord(value)) return [];
	const own: [string, unknown][] = Object.entries(value);
	return [...own, ...own.flatMap(([, inner]) => membersOf(inner))];
}

function isFilled(value: unknown): boolean {
	return isRecord(value) ? Object.keys(value).length > 0 : value !== null && value !== false && value !== "";
}
