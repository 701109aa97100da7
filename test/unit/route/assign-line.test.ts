import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AssignLine, type Carrier } from "../../../functions/route/assign-line.ts";
import { Mailbox } from "../../../functions/route/mailbox.ts";
import type { AssignReply, AssignRequest, Ended } from "../../../src/shared/scheduler/messages.ts";
import { assignRequest } from "../../support/assign-request.ts";

// An hour later each time: the steady clock of the module goes on from where the test before has left it.
let start = Date.now();
beforeEach(() => void vi.useFakeTimers({ now: (start += 3_600_000) }));
afterEach(() => void vi.useRealTimers());

const request = (reservation: string): AssignRequest => assignRequest({ reservation, model: "m" });
const reply = (to: string): AssignReply => ({ kind: "elsewhere", group: to, only: true });
const end = (reservation: string): Ended => ({
	reservation,
	outcome: "ok",
	ttft: 0.1,
	seconds: 1,
	promptTokens: 1,
	cachedTokens: 0,
	outputTokens: 1,
});

/** A scheduler whose calls come back when the test says. */
class Rig {
	readonly box = new Mailbox(0, 600);
	readonly line: AssignLine;
	readonly calls: {
		readonly asked: readonly string[];
		readonly ended: readonly string[];
		readonly by: string;
		back(failing?: readonly string[]): Promise<void>;
		fail(): Promise<void>;
	}[] = [];
	readonly kept: string[] = [];
	readonly answers: Record<string, string> = {};

	constructor(assignTogetherMax = 64) {
		this.line = new AssignLine(this.box, { renewSeconds: 15, assignTogetherMax });
	}

	carrier(by: string, until = Infinity): Carrier {
		return {
			call: (requests, mail) => {
				const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Carrier["call"]>>>();
				const asked = requests.map(({ reservation }) => reservation);
				const bills = mail.ended.map(({ reservation }) => ({ reservation, seconds: 1 }));
				this.calls.push({
					asked,
					ended: mail.ended.map(({ reservation }) => reservation),
					by,
					back: (failing = []) => {
						resolve({ replies: asked.map((each) => (failing.includes(each) ? null : reply(`${each}!`))), bills });
						return turn();
					},
					fail: () => {
						reject(new Error("gone"));
						return turn();
					},
				});
				return promise;
			},
			waitUntil: () => void this.kept.push(by),
			until,
		};
	}

	/** Asks, and notes how it ended. */
	ask(name: string, until?: number) {
		const seat = this.line.ask(request(name), this.carrier(name, until));
		seat.reply.then(
			(answer) => (this.answers[name] = answer.kind === "elsewhere" ? answer.group : answer.kind),
			() => (this.answers[name] = "failed"),
		);
		return seat;
	}

	get asked(): (readonly string[])[] {
		return this.calls.map(({ asked }) => asked);
	}
}

async function turn(): Promise<void> {
	await vi.advanceTimersByTimeAsync(0);
}

describe("requests to one scheduler", () => {
	test("go at once where no call is out", async () => {
		const rig = new Rig();
		rig.ask("a");
		expect(rig.asked).toEqual([["a"]]);
		await rig.calls[0]!.back();
		rig.ask("b");
		expect(rig.asked).toEqual([["a"], ["b"]]);
		await rig.calls[1]!.back();
		expect(rig.answers).toEqual({ a: "a!", b: "b!" });
		expect(rig.kept).toEqual([]);
	});

	test("go together when the call is back that was out, made by the request that made that one, which stays for them", async () => {
		const rig = new Rig();
		for (const name of ["a", "b", "c"]) rig.ask(name);
		rig.box.ended(end("x"), () => {});
		await rig.calls[0]!.back();
		expect(rig.asked).toEqual([["a"], ["b", "c"]]);
		expect(rig.calls[1]).toMatchObject({ by: "a", ended: ["x"] });
		expect(rig.kept).toEqual(["a"]);
		await rig.calls[1]!.back();
		expect(rig.answers).toEqual({ a: "a!", b: "b!", c: "c!" });
	});

	test("wait no longer than some milliseconds for a call that does not come back, and then go by themselves", async () => {
		const rig = new Rig();
		rig.ask("a");
		rig.ask("b");
		await vi.advanceTimersByTimeAsync(5);
		rig.ask("c");
		expect(rig.asked).toEqual([["a"]]);
		await vi.advanceTimersByTimeAsync(3);
		expect(rig.asked).toEqual([["a"], ["b", "c"]]);
		expect(rig.calls[1]!.by).toBe("b");
		await vi.advanceTimersByTimeAsync(10);
		rig.ask("d");
		expect(rig.asked.at(-1)).toEqual(["d"]);
		await rig.calls[1]!.back();
		expect(rig.answers).toEqual({ b: "b!", c: "c!" });
	});

	test("are not carried by one that has been there for long", async () => {
		const rig = new Rig();
		rig.ask("a", Date.now() - 1);
		rig.ask("b");
		await rig.calls[0]!.back();
		expect(rig.asked).toEqual([["a"]]);
		await vi.advanceTimersByTimeAsync(8);
		expect(rig.calls[1]).toMatchObject({ asked: ["b"], by: "b" });
	});

	test("are divided where there are too many for one call", async () => {
		const rig = new Rig();
		for (let i = 0; i < 130; i++) rig.ask(`r${i}`);
		await rig.calls[0]!.back();
		expect(rig.asked.map(({ length }) => length)).toEqual([1, 64, 64, 1]);
	});
});

test("requests go each by itself where the settings say so", () => {
	const rig = new Rig(1);
	for (const name of ["a", "b", "c"]) rig.ask(name);
	expect(rig.calls.map(({ asked, by }) => [asked, by])).toEqual([
		[["a"], "a"],
		[["b"], "b"],
		[["c"], "c"],
	]);
});

test("a call that has not come back for long keeps nobody waiting, and its mail goes out again", async () => {
	const rig = new Rig();
	rig.box.ended(end("x"), () => {});
	rig.ask("a");
	await vi.advanceTimersByTimeAsync(10_000);
	rig.ask("b");
	expect(rig.calls[1]).toMatchObject({ asked: ["b"], ended: ["x"] });
	await rig.calls[1]!.back();
	rig.ask("c");
	expect(rig.asked).toEqual([["a"], ["b"], ["c"]]);
});

describe("what goes wrong", () => {
	test("with one request is its own affair", async () => {
		const rig = new Rig();
		for (const name of ["a", "b", "c"]) rig.ask(name);
		await rig.calls[0]!.back();
		await rig.calls[1]!.back(["b"]);
		expect(rig.answers).toEqual({ a: "a!", b: "failed", c: "c!" });
	});

	test("with a call fails all that were part of it, those that wait for the next not, and its mail goes out again", async () => {
		const rig = new Rig();
		const bills: (number | null)[] = [];
		for (const name of ["a", "b"]) rig.ask(name);
		rig.box.ended(end("x"), (share) => bills.push(share && share.seconds));
		await rig.calls[0]!.back();
		rig.ask("c");
		await rig.calls[1]!.fail();
		expect(rig.answers).toEqual({ a: "a!", b: "failed" });
		expect(rig.calls[2]).toMatchObject({ asked: ["c"], ended: ["x"] });
		await rig.calls[2]!.back();
		expect(rig.answers).toEqual({ a: "a!", b: "failed", c: "c!" });
		expect(bills).toEqual([1]);
	});

	test("one that waits no longer is not asked for", async () => {
		const rig = new Rig();
		rig.ask("a");
		const b = rig.ask("b");
		rig.ask("c");
		b.abandon();
		await rig.calls[0]!.back();
		expect(rig.asked).toEqual([["a"], ["c"]]);
		await rig.calls[1]!.back();
		expect(rig.answers).toEqual({ a: "a!", c: "c!" });
	});

	test("an answer that was there already, though not heard yet, keeps its mail delivered", async () => {
		const rig = new Rig();
		const bills: unknown[] = [];
		rig.box.ended(end("x"), (share) => bills.push(share));
		const a = rig.ask("a");
		await rig.calls[0]!.back(["a"]);
		a.abandon();
		rig.ask("b");
		expect(rig.calls[1]).toMatchObject({ asked: ["b"], ended: [] });
		expect(bills).toHaveLength(1);
	});

	test("nor does it take others along when it is part of a call already; the mail goes out again, and is billed once", async () => {
		const rig = new Rig();
		const bills: (number | null)[] = [];
		rig.ask("a");
		rig.box.ended(end("x"), (share) => bills.push(share && share.seconds));
		const [b, c] = [rig.ask("b"), rig.ask("c")];
		await rig.calls[0]!.back();
		b.abandon();
		c.abandon();
		rig.ask("d");
		expect(rig.calls[2]).toMatchObject({ asked: ["d"], ended: ["x"] });
		await rig.calls[1]!.back();
		await rig.calls[2]!.back();
		expect(rig.answers).toEqual({ a: "a!", b: "b!", c: "c!", d: "d!" });
		expect(bills).toEqual([1]);
	});
});

test("whatever happens, each is asked for once at most and gets its own reply, and each ending is billed once", async () => {
	const act = fc.oneof(
		fc.constant({ do: "ask" } as const),
		fc.record({ do: fc.constant("abandon" as const), which: fc.nat(20) }),
		fc.record({ do: fc.constant("back" as const), which: fc.nat(5) }),
		fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 12 }) }),
	);
	await fc.assert(
		fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
			const rig = new Rig();
			const seats: ReturnType<Rig["ask"]>[] = [];
			const billed: string[] = [];
			const abandoned = new Set<string>();
			const open = new Set<number>();
			const note = (): void => rig.calls.forEach((_, i) => seen.has(i) || (seen.add(i), open.add(i)));
			const seen = new Set<number>();
			for (const each of acts) {
				if (each.do === "ask") {
					const name = `r${seats.length}`;
					rig.box.ended(end(`end of ${name}`), () => billed.push(name));
					seats.push(rig.ask(name));
				} else if (each.do === "abandon" && seats.length > 0) {
					const i = each.which % seats.length;
					seats[i]!.abandon();
					abandoned.add(`r${i}`);
				} else if (each.do === "back" && open.size > 0) {
					const i = [...open][each.which % open.size]!;
					open.delete(i);
					await rig.calls[i]!.back();
				} else if (each.do === "pass") await vi.advanceTimersByTimeAsync(each.ms);
				note();
			}
			for (note(); open.size > 0; note()) {
				for (const i of open) {
					open.delete(i);
					await rig.calls[i]!.back();
				}
				await vi.advanceTimersByTimeAsync(20);
			}
			const asked = rig.asked.flat();
			expect(new Set(asked).size).toBe(asked.length);
			for (const [i] of seats.entries()) {
				if (!abandoned.has(`r${i}`)) expect(rig.answers[`r${i}`]).toBe(`r${i}!`);
			}
			expect(new Set(billed).size).toBe(billed.length);
		}),
		{ numRuns: 200 },
	);
});
