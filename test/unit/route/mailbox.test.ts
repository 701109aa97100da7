import { expect, test } from "vitest";
import { Mailbox } from "../../../functions/route/mailbox.ts";
import type { Ended } from "../../../src/shared/scheduler/messages.ts";

const RENEW = 15;

function ended(reservation: string): Ended {
	const nothing = { promptTokens: null, cachedTokens: null, outputTokens: null };
	return { reservation, outcome: "ok", ttft: null, seconds: 1, ...nothing };
}

test("first tokens do not pile up while the scheduler is away, and a lost parcel is not too large to take back", () => {
	const box = new Mailbox(0, 600);
	for (let i = 0; i < 200_000; i++) box.firstToken({ reservation: `r${i}`, ttft: 1, headers: null });
	const parcel = box.take(1, RENEW);
	expect(parcel.mail.first.length).toBeLessThanOrEqual(1_000);
	parcel.lost();
	expect(box.take(2, RENEW).mail.first).toEqual([]);
});

test("endings leave in parcels of a bounded size, in their order, and none is lost or told twice", () => {
	const box = new Mailbox(0, 600);
	const told: string[] = [];
	const all = Array.from({ length: 200_000 }, (_, i) => `r${i}`);
	for (const id of all) box.ended(ended(id), () => told.push(id));
	box.take(1, RENEW).lost();
	const sent: string[] = [];
	while (!box.isEmpty) {
		const parcel = box.take(2, RENEW);
		expect(parcel.mail.ended.length).toBeLessThanOrEqual(5_000);
		sent.push(...parcel.mail.ended.map(({ reservation }) => reservation));
		parcel.delivered([]);
	}
	expect(sent).toEqual(all);
	expect(told).toEqual(all);
});

test("an ending that is lost three times is given up, and what came meanwhile is not", () => {
	const box = new Mailbox(0, 600);
	const bills: [string, unknown][] = [];
	box.ended(ended("old"), (nano) => bills.push(["old", nano]));
	for (let i = 0; i < 2; i++) box.take(i, RENEW).lost();
	box.ended(ended("new"), (nano) => bills.push(["new", nano]));
	const third = box.take(3, RENEW);
	expect(third.mail.ended.map(({ reservation }) => reservation)).toEqual(["old", "new"]);
	third.lost();
	expect(bills).toEqual([["old", null]]);
	expect(box.take(4, RENEW).mail.ended.map(({ reservation }) => reservation)).toEqual(["new"]);
});

test("a request that has left without a word is not renewed for ever", () => {
	const box = new Mailbox(0, 600);
	const renewal = { replica: "p/a", tenant: "t", key: "k", promptTokens: 1, outputTokens: 1 };
	box.depart({ renewal: { ...renewal, reservation: "lost" }, since: 0, started: false });
	box.depart({ renewal: { ...renewal, reservation: "long" }, since: 100, started: false });
	const renewed = (now: number) => box.take(now, RENEW).mail.renewals.map(({ reservation }) => reservation);
	expect(renewed(590)).toEqual(["lost", "long"]);
	expect(renewed(610)).toEqual(["long"]);
	expect(box.inFlight).toBe(1);
});
