import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Recent } from "../../../src/shared/admission/recent.ts";
import { ReservationBook } from "../../../src/shared/admission/reservations.ts";
import type { NewReservation } from "../../../src/shared/admission/reservations.ts";
import type { Renewal } from "../../../src/shared/scheduler/messages.ts";

function reservation(over: Partial<NewReservation> = {}): NewReservation {
	return {
		id: "r1",
		replica: "p/a",
		tenant: "t",
		key: "k",
		promptTokens: 100,
		outputTokens: 10,
		expectedStart: Infinity,
		now: 0,
		seconds: 45,
		...over,
	};
}

function renewal(over: Partial<Renewal> = {}): Renewal {
	return {
		reservation: "r1",
		replica: "p/a",
		tenant: "t",
		key: "k",
		promptTokens: 100,
		outputTokens: 10,
		started: false,
		age: 15,
		...over,
	};
}

const IDLE = { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
const pending = { inFlight: 1, pendingTokens: 100, decoding: 0, heldTokens: 110 };
const decoding = { inFlight: 1, pendingTokens: 0, decoding: 1, heldTokens: 110 };

describe("one reservation", () => {
	test("is pending, then decoding, then gone; repeats change nothing", () => {
		const book = new ReservationBook();
		expect(book.load("p/a", 0)).toEqual(IDLE);
		expect(book.reserve(reservation())).toBe("reserved");
		expect(book.reserve(reservation({ promptTokens: 999 }))).toBe("held");
		expect(book.load("p/a", 0)).toMatchObject(pending);
		book.started("r1", 0);
		book.started("r1", 0);
		expect(book.load("p/a", 0)).toMatchObject(decoding);
		expect(book.end("r1", 1)?.replica).toBe("p/a");
		expect(book.end("r1", 1)).toBeUndefined();
		book.started("r1", 0);
		expect(book.load("p/a", 0)).toEqual(IDLE);
		expect(book.size).toBe(0);
	});

	test("counts as started from its expected start on, and stays so when the clock goes back", () => {
		const book = new ReservationBook();
		book.reserve(reservation({ expectedStart: 2 }));
		expect(book.load("p/a", 1.9)).toMatchObject(pending);
		expect(book.load("p/a", 2)).toMatchObject(decoding);
		expect(book.load("p/a", 1)).toMatchObject(decoding);
	});

	test("ends by itself unless renewed", () => {
		const book = new ReservationBook();
		book.reserve(reservation());
		book.renew(renewal(), 30, 45);
		expect(book.expire(74.9)).toEqual([]);
		expect(book.expire(75).map(({ id }) => id)).toEqual(["r1"]);
		expect(book.load("p/a", 75)).toEqual(IDLE);
		// It was alive after all.
		expect(book.renew(renewal({ age: 80 }), 80, 45)).toBe("rebuilt");
		expect(book.end("r1", 80)?.reservedAt).toBe(0);
	});

	test("a renewal that is older than the last does not shorten it", () => {
		const book = new ReservationBook();
		book.reserve(reservation());
		book.renew(renewal(), 40, 45);
		book.renew(renewal(), 38, 45);
		expect(book.expire(84)).toEqual([]);
	});

	test("renewed, does not hide from expiry one that was not", () => {
		const book = new ReservationBook();
		book.reserve(reservation());
		book.reserve(reservation({ id: "r2" }));
		book.renew(renewal(), 30, 45);
		expect(book.expire(45).map(({ id }) => id)).toEqual(["r2"]);
	});

	test("that this object forgot is rebuilt, as started unless told otherwise", () => {
		const book = new ReservationBook();
		expect(book.renew(renewal(), 100, 45)).toBe("rebuilt");
		expect(book.load("p/a", 100)).toMatchObject(decoding);
		book.renew(renewal({ reservation: "r2", replica: "p/b" }), 100, 45, 110);
		expect(book.load("p/b", 100)).toMatchObject(pending);
		book.renew(renewal({ reservation: "r2", replica: "p/b", started: true }), 101, 45);
		expect(book.load("p/b", 101)).toMatchObject(decoding);
	});

	test("that went to another replica than was thought is moved there", () => {
		const book = new ReservationBook();
		book.reserve(reservation());
		expect(book.renew(renewal({ replica: "p/b" }), 15, 45)).toBe("rebuilt");
		expect(book.load("p/a", 15)).toEqual(IDLE);
		expect(book.load("p/b", 15)).toMatchObject(decoding);
		expect(book.size).toBe(1);
	});

	test("that has ended is not brought back by what arrives after", () => {
		const book = new ReservationBook();
		book.reserve(reservation());
		book.end("r1", 10);
		expect(book.renew(renewal(), 11, 45)).toBe("ended");
		expect(book.reserve(reservation({ now: 12 }))).toBe("ended");
		book.end("overtaken", 10);
		expect(book.reserve(reservation({ id: "overtaken" }))).toBe("ended");
		expect(book.load("p/a", 12)).toEqual(IDLE);
	});
});

describe("pending tokens at a known pace", () => {
	const pace = { tokensPerSecond: 100, from: 0 };
	const pendingAt = (book: ReservationBook, ...times: number[]): number[] =>
		times.map((now) => book.load("p/a", now).pendingTokens);

	test("fall with time, and are those behind it when a first token has come", () => {
		const book = new ReservationBook();
		book.reserve(reservation({ id: "a", promptTokens: 400, pace }));
		book.reserve(reservation({ id: "b", promptTokens: 300, uncachedTokens: 200, pace }));
		expect(pendingAt(book, 0, 1, 3)).toEqual([600, 500, 300]);
		// Its word comes half a second after the token.
		book.started("a", 5.5, 5);
		expect(pendingAt(book, 5.5, 6)).toEqual([150, 100]);
	});

	test("are never those of a request that is gone", () => {
		const book = new ReservationBook();
		book.reserve(reservation({ id: "a", promptTokens: 400, pace }));
		book.reserve(reservation({ id: "b", promptTokens: 300, pace }));
		book.end("b", 1);
		expect(pendingAt(book, 1, 3)).toEqual([400, 200]);
	});

	test("of plain answers, which tell of no first token, fall as was expected, whenever that is looked at", () => {
		const book = new ReservationBook();
		book.reserve(reservation({ id: "a", promptTokens: 400, expectedStart: 4, pace }));
		book.reserve(reservation({ id: "b", promptTokens: 300, expectedStart: 7, pace }));
		expect(pendingAt(book, 6, 7)).toEqual([100, 0]);
	});
});

test("expiry is bounded in one call and takes the longest overdue first", () => {
	const book = new ReservationBook();
	for (let n = 9; n >= 0; n--) book.reserve(reservation({ id: `r${n}`, now: n }));
	expect(book.expire(100, 3).map(({ id }) => id)).toEqual(["r0", "r1", "r2"]);
	expect(book.expire(50.5, 100).map(({ id }) => id)).toEqual(["r3", "r4", "r5"]);
	expect(book.size).toBe(4);
});

describe("after any sequence of repeated, late and unknown messages", () => {
	const id = fc.integer({ min: 0, max: 12 }).map((n) => `r${n}`);
	const replica = fc.constantFrom("p/a", "p/b", "q/a");
	const tokens = fc.integer({ min: 0, max: 5_000 });
	const what = fc
		.record({
			id,
			replica,
			promptTokens: fc.integer({ min: 50, max: 5_000 }),
			outputTokens: tokens,
			prefix: fc.option(fc.integer({ min: 1, max: 5 })),
			seconds: fc.integer({ min: 1, max: 60 }),
		})
		.map((all) => ({ ...all, uncachedTokens: all.promptTokens - cachedIn(all.prefix) }));
	/** What requests have in common is the same for all of them. */
	const cachedIn = (prefix: number | null): number => (prefix ?? 0) * 10;
	const message = fc.record({
		do: fc.constantFrom("reserve", "reserve", "started", "end", "renew", "expire", "load"),
		what,
		by: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -3, max: 5 }) }, fc.constant(70)),
		ttft: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(Infinity)),
		started: fc.boolean(),
		max: fc.integer({ min: 1, max: 4 }),
	});

	interface Naive {
		replica: string;
		promptTokens: number;
		uncachedTokens: number;
		prefix: number | null;
		outputTokens: number;
		expectedStart: number;
		started: boolean;
		expiresAt: number;
	}

	test("the counters are those of a recount from scratch", () => {
		fc.assert(
			fc.property(fc.array(message, { maxLength: 150, size: "max" }), (messages) => {
				const book = new ReservationBook();
				const held = new Map<string, Naive>();
				const endedAt = new Map<string, number>();
				const isEnded = (id: string) => endedAt.has(id);
				let now = 1_000;
				for (const { do: verb, what, by, ttft, started, max } of messages) {
					now += by;
					// After two minutes an end is forgotten sooner or later; such ids are left alone here.
					const age = now - (endedAt.get(what.id) ?? now);
					if (age > 110) continue;
					const { id, seconds, ...rest } = what;
					const known = held.get(id);
					if (verb === "reserve") {
						const expected = known ? "held" : isEnded(id) ? "ended" : "reserved";
						expect(book.reserve(reservation({ id, ...rest, now, seconds, expectedStart: now + ttft }))).toBe(expected);
						if (expected === "reserved") {
							held.set(id, { ...rest, expectedStart: now + ttft, started: false, expiresAt: now + seconds });
						}
					} else if (verb === "started") {
						book.started(id, now);
						if (known) known.started = true;
					} else if (verb === "end") {
						expect(book.end(id, now)?.id).toBe(known && id);
						held.delete(id);
						endedAt.set(id, now);
					} else if (verb === "renew") {
						book.renew(renewal({ reservation: id, ...rest, started, age: ttft === Infinity ? 0 : ttft }), now, seconds);
						if (!isEnded(id)) {
							if (known?.replica === rest.replica) {
								known.expiresAt = Math.max(known.expiresAt, now + seconds);
								known.started ||= started;
							} else {
								// A renewal does not know what was cached.
								const unknown = { uncachedTokens: rest.promptTokens, prefix: null };
								held.set(id, { ...rest, ...unknown, expectedStart: now, started, expiresAt: now + seconds });
							}
						}
					} else if (verb === "expire") {
						const overdue = [...held].filter(([, h]) => h.expiresAt <= now);
						const gone = book.expire(now, max);
						expect(gone.length).toBe(Math.min(max, overdue.length));
						for (const { id } of gone) {
							expect(overdue.map(([name]) => name)).toContain(id);
							held.delete(id);
						}
					}
					expect(book.size).toBe(held.size);
					for (const replica of ["p/a", "p/b", "q/a"]) {
						const here = [...held.values()].filter((h) => h.replica === replica);
						for (const h of here) if (h.expectedStart <= now) h.started = true;
						const waiting = here.filter((h) => !h.started);
						const sum = (of: readonly Naive[], tokens: (h: Naive) => number) =>
							of.reduce((total, h) => total + tokens(h), 0);
						const cached = [...new Set(here.map((h) => h.prefix))].map(cachedIn);
						const { inFlight, pendingTokens, decoding, heldTokens, residentTokens, outputTokens } = book.load(
							replica,
							now,
						);
						expect({ inFlight, pendingTokens, decoding, heldTokens, residentTokens, outputTokens }).toEqual({
							inFlight: here.length,
							pendingTokens: sum(waiting, (h) => h.uncachedTokens),
							decoding: here.length - waiting.length,
							heldTokens: sum(here, (h) => h.promptTokens + h.outputTokens),
							residentTokens:
								sum(here, (h) => h.uncachedTokens + h.outputTokens) + cached.reduce((total, each) => total + each, 0),
							outputTokens: sum(here, (h) => h.outputTokens),
						});
					}
				}
			}),
			{ numRuns: 60 },
		);
	});
});

test("what ended in the last two minutes is remembered, of more than 32,768 the last so many", () => {
	const book = new ReservationBook();
	// 270 a second.
	for (let n = 0; n < 32_400; n++) book.end(`r${n}`, n / 270);
	expect(book.hasEnded("r0")).toBe(true);
	expect(book.renew(renewal({ reservation: "r0" }), 120, 45)).toBe("ended");
	for (let n = 0; n < 100_000; n++) book.end(`more${n}`, 120);
	expect([book.hasEnded("r32399"), book.hasEnded(`more${100_000 - 32_768}`)]).toEqual([false, true]);
});

test("recent values are remembered for their time, and forgotten after twice that or when too many come", () => {
	const recent = new Recent<number>(10, 100);
	const known = (...ids: string[]): (number | undefined)[] => ids.map((id) => recent.get(id));
	recent.set("a", 1, 0);
	recent.set("b", 2, 10);
	expect(known("a", "b")).toEqual([1, 2]);
	recent.set("c", 0, 20);
	expect(known("a", "b", "c")).toEqual([undefined, 2, 0]);
	for (let n = 0; n < 200; n++) recent.set(`n${n}`, n, 20);
	expect(known("c", "n0", "n100", "n199")).toEqual([undefined, undefined, 100, 199]);
	recent.set("d", 4, -1e9);
	expect(known("d")).toEqual([4]);
});
