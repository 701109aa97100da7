import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	admits,
	awaitsProbe,
	BUSY_MAX,
	newHealth,
	onFailure,
	onProbe,
	onProbeSent,
	onSuccess,
	PAUSE_MAX,
	PROBE_SECONDS,
	probeDue,
	settled,
	SLOW_START_MAX,
} from "../../../src/shared/admission/health.ts";
import type { FailureKind, Health } from "../../../src/shared/admission/health.ts";

const KINDS: readonly FailureKind[] = ["connect", "timeout", "status", "garbage", "cut", "busy"];
const limit = (health: Health, now: number) => admits(health, 64, now).limit;

function answers(health: Health, pattern: string, from: number, gap = 0.1): Health {
	return pattern.split("").reduce((h, c, n) => {
		const now = from + n * gap;
		return c === "x" ? onFailure(h, "status", now) : onSuccess(h, now);
	}, health);
}

/** A replica that fails every probe, for `pauses` pauses from 0; and the time at which the last one is over. */
function failing(pauses: number): { health: Health; now: number; lengths: number[] } {
	let [health, now] = [onFailure(newHealth(0), "connect", 0), 0];
	const lengths: number[] = [];
	for (;;) {
		if (health.phase.kind !== "aside") throw new Error(`not aside but ${health.phase.kind}`);
		lengths.push(health.phase.until - now);
		now = health.phase.until;
		if (lengths.length === pauses) return { health, now, lengths };
		health = onProbe(onProbeSent(health, now), false, now);
	}
}

describe("what sets a replica aside", () => {
	test("a refused connection at once; one other failure does not", () => {
		expect(limit(onFailure(newHealth(0), "connect", 5), 5)).toBe(0);
		for (const kind of ["timeout", "status", "garbage", "cut"] as const) {
			expect(limit(onFailure(newHealth(0), kind, 5), 5)).toBe(64);
		}
	});

	test.each([
		["xx", true],
		["oxx", true],
		["ooxx", true],
		["ooooooooooxx", false],
		["oooooooooooooooooooooooooxxxx", false],
		["oooooooooooooooooooooooooxxxxx", true],
		["oxoxoxo", false],
		["oxoxoxoxoxox", true],
		["oooxoooxoooxoooxoooxooox", false],
	])("%s (x failed): aside %s", (pattern, aside) => {
		expect(limit(answers(newHealth(0), pattern, 0), pattern.length * 0.1) === 0).toBe(aside);
	});

	test("two failures in a row count even when traffic is a request a minute", () => {
		expect(limit(answers(newHealth(0), "oxx", 0, 60), 120.5)).toBe(0);
	});

	test("one failure among many good answers changes nothing for anybody", () => {
		const good = answers(newHealth(0), "o".repeat(200), 0);
		for (const kind of ["timeout", "status", "garbage", "cut"] as const) {
			expect(admits(onFailure(good, kind, 21), 64, 21)).toEqual({ limit: 64, reason: "healthy" });
		}
		// A refused connection costs it a second, and five more of slow start.
		const refused = onFailure(good, "connect", 21);
		expect(probeDue(refused, 22)).toBe(true);
		expect(limit(onProbe(refused, true, 22), 27)).toBe(64);
	});

	test("busy: for exactly its Retry-After, up to a minute, with nothing held against its health", () => {
		const health = answers(newHealth(0), "ooo", 0);
		const busy = onFailure(health, "busy", 10, { retryAfter: 7 });
		expect([limit(busy, 16.9), limit(busy, 17)]).toEqual([0, 64]);
		expect({ ...busy, busyUntil: health.busyUntil }).toEqual(health);
		expect(admits(busy, 64, 12).reason).toBe("busy");
		expect(limit(onFailure(health, "busy", 10, { retryAfter: 3_600 }), 10 + BUSY_MAX)).toBe(64);
		expect(limit(onFailure(health, "busy", 10), 10.9)).toBe(0);
		expect(limit(onFailure(health, "busy", 10, { retryAfter: NaN }), 11)).toBe(64);
		// A shorter one that comes after does not cut it short.
		expect(limit(onFailure(busy, "busy", 11, { retryAfter: 1 }), 16)).toBe(0);
	});
});

describe("aside", () => {
	test("pauses double from 1 s to 60 s", () => {
		expect(failing(8).lengths).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
	});

	test("jitter shortens a pause by up to a fifth", () => {
		const until = (jitter: number) => onFailure(newHealth(0), "connect", 0, { jitter }).phase;
		expect(until(0.5)).toMatchObject({ kind: "aside", until: 0.9 });
		expect(until(0)).toMatchObject({ until: 1 });
	});

	test("failures of requests that were in flight do not lengthen it, and good answers do not end it", () => {
		const aside = onFailure(newHealth(0), "connect", 10);
		for (const kind of KINDS.filter((k) => k !== "busy")) expect(onFailure(aside, kind, 10.5)).toBe(aside);
		expect(onSuccess(aside, 10.5)).toBe(aside);
		// Sent before the pause, answered after it.
		expect(onFailure(aside, "timeout", 60, { sentAt: 9 })).toBe(aside);
		expect(onSuccess(aside, 60, { sentAt: 9 })).toBe(aside);
	});

	test("then it is due for a probe; while that is under way nothing is admitted; a lost one is due again", () => {
		const aside = onFailure(newHealth(0), "connect", 10);
		expect([probeDue(aside, 10.9), probeDue(aside, 11)]).toEqual([false, true]);
		expect(admits(aside, 64, 11)).toEqual({ limit: 1, reason: "half_open" });
		const probing = onProbeSent(aside, 11);
		expect([limit(probing, 12), probeDue(probing, 12)]).toEqual([0, false]);
		expect([limit(probing, 11 + PROBE_SECONDS), probeDue(probing, 11 + PROBE_SECONDS)]).toEqual([1, true]);
	});

	test("a trial request decides as a probe does", () => {
		const aside = onFailure(newHealth(0), "connect", 10);
		expect(onSuccess(aside, 12, { sentAt: 11.5 }).phase.kind).toBe("slow_start");
		expect(onFailure(aside, "status", 12, { sentAt: 11.5 }).phase).toMatchObject({ kind: "aside", until: 14 });
	});

	test("a probe's answer that comes when none is due is ignored", () => {
		const healthy = newHealth(0);
		const aside = onFailure(healthy, "connect", 10);
		for (const good of [true, false]) {
			expect(onProbe(healthy, good, 5)).toBe(healthy);
			expect(onProbe(aside, good, 10.5)).toBe(aside);
		}
		expect(onProbeSent(healthy, 5)).toBe(healthy);
	});
});

describe("slow start", () => {
	test("the limit rises linearly from 1 to full", () => {
		const { health, now } = failing(4);
		const slow = onProbe(health, true, now);
		const at = [0, 0.1, 7.5, 15, 22.5, 29.9, SLOW_START_MAX].map((s) => limit(slow, now + s));
		expect(at).toEqual([1, 1, 16, 32, 48, 63, 64]);
		expect(admits(slow, 64, now + 15).reason).toBe("slow_start");
		expect(admits(slow, 64, now + 31).reason).toBe("healthy");
		expect(limit(slow, now - 3)).toBe(1);
		expect(admits(slow, 1, now)).toEqual({ limit: 1, reason: "healthy" });
	});

	test("a failure in it takes the same evidence, and then a longer pause", () => {
		const { health, now } = failing(2);
		const slow = onProbe(health, true, now);
		const once = onFailure(slow, "status", now + 1);
		expect(once.phase.kind).toBe("slow_start");
		expect(onFailure(once, "status", now + 2).phase).toMatchObject({ kind: "aside", until: now + 2 + 4 });
		expect(onFailure(slow, "connect", now + 1, { sentAt: now - 1 })).toBe(slow);
	});

	test("ends in health, by time alone or with the next answer", () => {
		const { health, now } = failing(1);
		const slow = onProbe(health, true, now);
		const end = now + 5;
		expect(settled(slow, end - 0.1)).toBe(slow);
		const healthy = { kind: "healthy", since: end };
		expect(settled(slow, end).phase).toMatchObject(healthy);
		expect(onSuccess(slow, end + 100).phase).toMatchObject(healthy);
		expect(onFailure(slow, "status", end + 100).phase).toMatchObject(healthy);
		expect([health, slow, settled(slow, end)].map(awaitsProbe)).toEqual([true, false, false]);
		// Sent before the pause, and still failing after the slow start.
		const after = settled(slow, end);
		expect(onFailure(after, "connect", end + 100, { sentAt: now - 1 })).toBe(after);
		expect(onFailure(after, "connect", end + 100, { sentAt: now + 1 }).phase.kind).toBe("aside");
	});

	test("every half minute of health takes a pause back", () => {
		const { health, now } = failing(5);
		const slow = onProbe(health, true, now);
		const next = (after: number) => {
			const { phase } = onFailure(slow, "connect", now + SLOW_START_MAX + after);
			return phase.kind === "aside" && Math.round(phase.until - phase.since);
		};
		expect([-10, 0, 29, 30, 60, 150, 1e6].map(next)).toEqual([32, 32, 32, 16, 8, 1, 1]);
	});
});

test("after any reports, with the clock going to and fro, a replica is back within bounded time once it answers", () => {
	const report = fc.record({
		by: fc.double({ min: -2, max: 40, noNaN: true }),
		what: fc.constantFrom(...KINDS, "ok", "probe sent", "probe ok", "probe bad"),
		retryAfter: fc.double({ min: 0, max: 1e4, noNaN: true }),
		jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
		lag: fc.double({ min: 0, max: 100, noNaN: true }),
	});
	fc.assert(
		fc.property(fc.array(report, { maxLength: 100, size: "max" }), (reports) => {
			let now = 1_000;
			let latest = now;
			let health = newHealth(now);
			for (const { by, what, retryAfter, jitter, lag } of reports) {
				now += by;
				latest = Math.max(latest, now);
				const sentAt = now - lag;
				if (what === "ok") health = onSuccess(health, now, { sentAt });
				else if (what === "probe sent") health = onProbeSent(health, now);
				else if (what === "probe ok" || what === "probe bad")
					health = onProbe(health, what === "probe ok", now, { jitter });
				else health = onFailure(health, what, now, { sentAt, retryAfter, jitter });
				const given = admits(health, 64, now);
				expect(given.limit).toBeGreaterThanOrEqual(0);
				expect(given.limit).toBeLessThanOrEqual(64);
				expect(given.limit > 0).toBe(!["aside", "busy"].includes(given.reason));
			}
			const due = latest + Math.max(PAUSE_MAX, BUSY_MAX);
			expect(limit(health, due)).toBeGreaterThanOrEqual(1);
			const answered = onSuccess(health, due, { sentAt: due });
			expect(admits(answered, 64, due + SLOW_START_MAX)).toEqual({ limit: 64, reason: "healthy" });
			expect(settled(answered, due + SLOW_START_MAX).phase.kind).toBe("healthy");
		}),
	);
});
