import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Beat } from "../../../functions/route/beat.ts";
import { RequestTimer } from "../../../functions/route/request-timer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Every timer that is set from now on. */
const timers = () => vi.spyOn(globalThis, "setTimeout");

describe("a request's timer", () => {
	it("runs what is due when it is due, once", () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		timer.set(Date.now() + 100, run);
		vi.advanceTimersByTime(98);
		expect(run).not.toHaveBeenCalled();
		vi.advanceTimersByTime(1_000);
		expect(run).toHaveBeenCalledOnce();
	});

	it("takes no new timer when what is due moves to later, and runs only the last", () => {
		const set = timers();
		const timer = new RequestTimer();
		const [first, second] = [vi.fn<() => void>(), vi.fn<() => void>()];
		timer.set(Date.now() + 100, first);
		for (let i = 0; i < 50; i++) timer.set(Date.now() + 300 + i, second);
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
		timer.set(Date.now() + 10_000, () => {});
		timer.set(Date.now() + 50, run);
		vi.advanceTimersByTime(51);
		expect(run).toHaveBeenCalledOnce();
	});

	it("runs nothing after it was cleared or stopped, and can be used again", () => {
		const timer = new RequestTimer();
		const run = vi.fn<() => void>();
		for (const end of [() => timer.clear(), () => timer.stop()]) {
			timer.set(Date.now() + 10, run);
			end();
			vi.advanceTimersByTime(100);
		}
		expect(run).not.toHaveBeenCalled();
		timer.set(Date.now() + 10, run);
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
		timer.set(Date.now() + 1_000, run);
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
		const beat = new Beat(15, Date.now(), run);
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
