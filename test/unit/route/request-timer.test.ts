import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Beat } from "../../../functions/route/beat.ts";
import { RequestTimer } from "../../../functions/route/request-timer.ts";
import { steadyAtLeast, steadyMs } from "../../../functions/route/steady-clock.ts";

beforeEach(() => void vi.useFakeTimers());
// The spies first: one on a clock that is not real would put that back in its place.
afterEach(() => {
	vi.restoreAllMocks();
	vi.useRealTimers();
});

/** Every timer that is set from now on. */
const timers = () => vi.spyOn(globalThis, "setTimeout");

describe("a request's timer", () => {
	it("runs what is due when it is due, once", () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		timer.set(steadyMs() + 100, run);
		vi.advanceTimersByTime(98);
		expect(run).not.toHaveBeenCalled();
		vi.advanceTimersByTime(1_000);
		expect(run).toHaveBeenCalledOnce();
	});

	it("takes no new timer when what is due moves to later, and runs only the last", () => {
		const set = timers();
		const timer = new RequestTimer();
		const [first, second] = [vi.fn<() => void>(), vi.fn<() => void>()];
		timer.set(steadyMs() + 100, first);
		for (let i = 0; i < 50; i++) timer.set(steadyMs() + 300 + i, second);
		expect(set).toHaveBeenCalledTimes(1);
		vi.advanceTimersByTime(340);
		expect(second).not.toHaveBeenCalled();
		vi.advanceTimersByTime(10);
		expect(second).toHaveBeenCalledOnce();
		expect(first).not.toHaveBeenCalled();
	});

	it("runs what moved to sooner in time", () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		timer.set(steadyMs() + 10_000, () => {});
		timer.set(steadyMs() + 50, run);
		vi.advanceTimersByTime(51);
		expect(run).toHaveBeenCalledOnce();
	});

	it("runs nothing after it was cleared or stopped, and can be used again", () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		for (const end of [() => timer.clear(), () => timer.stop()]) {
			timer.set(steadyMs() + 10, run);
			end();
			vi.advanceTimersByTime(100);
		}
		expect(run).not.toHaveBeenCalled();
		timer.set(steadyMs() + 10, run);
		vi.advanceTimersByTime(11);
		expect(run).toHaveBeenCalledOnce();
	});

	it("rejects what takes too long, and an answer that comes too late leaves alone what is due then", async () => {
		const timer = new RequestTimer();
		const { promise, resolve } = Promise.withResolvers<string>();
		const within = timer.within(0.25, promise);
		const late = expect(within).rejects.toThrow("no answer in 0.25 s");
		await vi.advanceTimersByTimeAsync(251);
		await late;
		const run = vi.fn<() => void>();
		timer.set(steadyMs() + 1_000, run);
		resolve("late");
		await vi.advanceTimersByTimeAsync(1_001);
		expect(run).toHaveBeenCalledOnce();
	});

	it("passes on what comes in time, and nothing is due then", async () => {
		const timer = new RequestTimer();
		await expect(timer.within(0.25, Promise.resolve(7))).resolves.toBe(7);
		await expect(timer.within(0.25, Promise.reject(new Error("gone")))).rejects.toThrow("gone");
		const set = timers();
		await vi.advanceTimersByTimeAsync(1_000);
		expect(set).not.toHaveBeenCalled();
	});

	it("keeps the beat while it waits, without a timer more than that, and is late all the same", async () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		const beat = new Beat(15, steadyMs(), run);
		const within = timer.within(40, new Promise(() => {}), beat);
		const late = expect(within).rejects.toThrow("no answer in 40 s");
		const set = timers();
		await vi.advanceTimersByTimeAsync(39_000);
		expect(run).toHaveBeenCalledTimes(2);
		expect(set.mock.calls.length).toBeLessThanOrEqual(4);
		await vi.advanceTimersByTimeAsync(1_001);
		await late;
		await vi.advanceTimersByTimeAsync(60_000);
		expect(run).toHaveBeenCalledTimes(2);
	});
});

describe("a clock that is set back", () => {
	it("holds up nothing: what was to end ends in its time", async () => {
		const timer = new RequestTimer();
		const late = timer.within(2, new Promise(() => {}), new Beat(1, steadyMs(), () => {}));
		const ended = vi.fn<() => void>();
		late.catch(ended);
		vi.advanceTimersByTime(1_500);
		vi.setSystemTime(Date.now() - 3_600_000);
		await vi.advanceTimersByTimeAsync(510);
		expect(ended).toHaveBeenCalledOnce();
	});

	it("never shows in steady milliseconds", () => {
		let before = steadyMs();
		for (const jump of [5, -3_600_000, 0, 10, 86_400_000, -86_400_000, 7]) {
			vi.setSystemTime(Date.now() + jump);
			const now = steadyMs();
			expect(now - before).toBe(Math.max(0, jump));
			before = now;
		}
	});

	it("is not one that differs by moments, as those of two requests do: steady time does not run away", () => {
		vi.setSystemTime(Date.now() + 10_000);
		const from = steadyMs();
		const real = Date.now();
		for (let i = 0; i < 1_000; i++) {
			// One request sees what the other saw half a second ago; and each timer fires a little early.
			vi.setSystemTime(real + i * 10 - (i % 2) * 500);
			steadyAtLeast(from + i * 10 + 1);
		}
		expect(steadyMs() - from).toBeLessThan(10_010);
	});
});

describe("a clock that is set forward", () => {
	/** What waits for 30 s, with its beat every 15 s; and what is called when that is over. */
	function waiting() {
		const ended = vi.fn<() => void>();
		const beat = new Beat(15, steadyMs(), () => {});
		new RequestTimer().within(30, new Promise(() => {}), beat).catch(ended);
		return ended;
	}

	it("ends nothing before its time", async () => {
		const ended = waiting();
		await vi.advanceTimersByTimeAsync(1_000);
		vi.setSystemTime(Date.now() + 3_600_000);
		await vi.advanceTimersByTimeAsync(28_000);
		expect(ended).not.toHaveBeenCalled();
		await vi.advanceTimersByTimeAsync(1_002);
		expect(ended).toHaveBeenCalledOnce();
	});

	it("moves on for others no further than to the next timer, though one looks at it first", async () => {
		const ended = waiting();
		await vi.advanceTimersByTimeAsync(1_000);
		const before = steadyMs();
		vi.setSystemTime(Date.now() + 3_600_000);
		expect(steadyMs() - before).toBeLessThanOrEqual(14_000);
		await vi.advanceTimersByTimeAsync(14_500);
		expect(ended).not.toHaveBeenCalled();
		await vi.advanceTimersByTimeAsync(14_502);
		expect(ended).toHaveBeenCalledOnce();
	});

	it("is held back no longer than once by a timer that was left behind", () => {
		const timer = new RequestTimer();
		timer.set(steadyMs() + 15_000, () => {});
		// The runtime has ended its request.
		vi.clearAllTimers();
		vi.setSystemTime(Date.now() + 3_600_000);
		const from = steadyMs();
		vi.setSystemTime(Date.now() + 60_000);
		expect(steadyMs() - from).toBeGreaterThanOrEqual(60_000);
	});
});
