import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collected } from "../../../functions/route/collected.ts";
import { passedOn, type BodyEnd } from "../../../functions/route/passed-on.ts";

/** A body of these pieces, which then breaks off where `breaks` says so. */
function bodyOf(pieces: readonly Uint8Array[], breaks = false): ReadableStream<Uint8Array> {
	const left = pieces.map((piece) => piece.slice());
	return new ReadableStream({
		pull(controller) {
			const piece = left.shift();
			if (piece) controller.enqueue(piece);
			else if (breaks) controller.error(new Error("broken"));
			else controller.close();
		},
	});
}

async function read(body: ReadableStream<Uint8Array>): Promise<number[]> {
	const bytes: number[] = [];
	for await (const chunk of body) bytes.push(...chunk);
	return bytes;
}

const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5 }), { maxLength: 6 });

describe("a body that is listened to", () => {
	test("is passed on as it is; its end is told once, and a copy where it is no longer than it may be", async () => {
		const property = fc.asyncProperty(pieces, fc.nat(20), async (parts, most) => {
			const whole = parts.flatMap((part) => [...part]);
			const told: (Uint8Array | null)[] = [];
			expect(await read(collected(bodyOf(parts), most, (copy) => told.push(copy)))).toEqual(whole);
			expect(told).toEqual([whole.length <= most ? Uint8Array.from(whole) : null]);
		});
		await fc.assert(property, { numRuns: 50 });
	});

	test("tells where it broke off, and that nobody read on", async () => {
		const ends: BodyEnd[] = [];
		const copies: (Uint8Array | null)[] = [];
		const parts = [Uint8Array.of(1), Uint8Array.of(2)];
		await expect(read(passedOn(bodyOf(parts, true), (end) => ends.push(end)))).rejects.toThrow("broken");
		await expect(read(collected(bodyOf(parts, true), 9, (copy) => copies.push(copy)))).rejects.toThrow("broken");
		const left = passedOn(bodyOf(parts), (end) => ends.push(end)).getReader();
		await left.read();
		await left.cancel();
		await collected(bodyOf(parts), 9, (copy) => copies.push(copy)).cancel();
		expect(ends).toEqual(["broken", "left"]);
		expect(copies).toEqual([null, null]);
	});

	test("tells that its reader has left also when that one waits for the next piece", async () => {
		const ends: BodyEnd[] = [];
		const copies: (Uint8Array | null)[] = [];
		for (const body of [
			passedOn(new ReadableStream(), (end) => ends.push(end)),
			collected(new ReadableStream(), 9, (copy) => copies.push(copy)),
		]) {
			const reader = body.getReader();
			const next = reader.read();
			await new Promise((resolve) => setTimeout(resolve));
			await reader.cancel();
			expect((await next).done).toBe(true);
		}
		expect(ends).toEqual(["left"]);
		expect(copies).toEqual([null]);
	});
});
