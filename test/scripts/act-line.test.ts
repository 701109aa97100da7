import { expect, it } from "vitest";
import { formatAct, parseActLog } from "../../scripts/act-line.ts";

const line = (act: string, reason: string, because: Record<string, number>) =>
	JSON.stringify({ event: "warmth", at: 1, replica: "l40s/a", act, reason, because });
const shown = (text: string) => {
	const act = parseActLog(text);
	return act && formatAct(act);
};

it("says what was done to a replica, and why", () => {
	expect(shown(line("wake", "regret", { regret_usd: 0.07123, start_usd: 0.0678 }))).toBe(
		"l40s/a starts: going elsewhere has cost $0.0712, a start costs $0.0678",
	);
	expect(shown(line("wake", "waiting", {}))).toBe("l40s/a starts: requests wait for it");
	const likely = { requests_per_second: 0.0123, break_even_per_second: 0.001 };
	expect(shown(line("keep", "demand", likely))).toBe(
		"l40s/a is kept warm: 0.012 requests a second are likely, 0.0010 pay",
	);
	expect(shown(line("idle_timeout", "demand", { ...likely, idle_seconds: 90 }))).toMatch(/; 90 s$/);
});

it("is no other line", () => {
	expect(shown('{"event":"request"}')).toBeNull();
	expect(shown('{"event":"warmth","act":"sings"}')).toBeNull();
	expect(shown('{"event":"warmth"')).toBeNull();
});
