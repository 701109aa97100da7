import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ShardTogether } from "../../../durable-objects/shard.together.ts";

const MIB = 2 ** 20;

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

/** Calls for a part of these bytes, which bring so many; which of them have gone on. */
async function calls(together: ShardTogether, brought: readonly (readonly [part: number, bytes: number])[]) {
	const gone: number[] = [];
	for (const [index, [part, bytes]] of brought.entries()) void together.turn(part, bytes).then(() => gone.push(index));
	await vi.advanceTimersByTimeAsync(0);
	return gone;
}

test("a small part does not wait", async () => {
	expect(await calls(new ShardTogether(), [[1_000, 1_000]])).toEqual([0]);
});

test("what comes in the pause goes on together when it is over, what is small too", async () => {
	const together = new ShardTogether();
	const first = await calls(together, [[8 * MIB, 2 * MIB]]);
	await vi.advanceTimersByTimeAsync(3);
	const later = await calls(together, [
		[8 * MIB, 0],
		[1_000, 1_000],
	]);
	expect([first, later]).toEqual([[], []]);
	await vi.advanceTimersByTimeAsync(1);
	expect([first, later]).toEqual([[0], [0, 1]]);
	expect(await calls(together, [[1_000, 1_000]])).toEqual([0]);
});

test("a part's bytes go at once, and the next ones wait for their own pause", async () => {
	const together = new ShardTogether();
	const gone = await calls(
		together,
		Array.from({ length: 5 }, () => [8 * MIB, 2 * MIB] as const),
	);
	expect(gone).toEqual([0, 1, 2, 3]);
	await vi.advanceTimersByTimeAsync(3);
	expect(gone).toEqual([0, 1, 2, 3]);
	await vi.advanceTimersByTimeAsync(1);
	expect(gone).toEqual([0, 1, 2, 3, 4]);
});
