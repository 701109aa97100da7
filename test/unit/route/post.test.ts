import { expect, test } from "vitest";
import type { LedgerMail, RequestRecord } from "../../../src/shared/ledger/messages.ts";
import type { Bill, SchedulerMail } from "../../../src/shared/scheduler/messages.ts";
import { settingsFrom } from "../../../src/shared/settings.ts";
import type { Seconds } from "../../../src/shared/units.ts";
import { Post, type Carriers } from "../../../functions/route/post.ts";

/** Time that passes only when somebody sleeps. */
class World implements Carriers {
	time = 1_000;
	readonly toLedgers: LedgerMail[] = [];
	readonly toSchedulers: SchedulerMail[] = [];
	recalled: string[] = [];
	broken = false;
	readonly sleepers: { at: number; wake: () => void }[] = [];

	now = (): number => this.time;
	sleep = (seconds: number): Promise<void> =>
		new Promise((wake) => this.sleepers.push({ at: this.time + seconds, wake }));

	async toScheduler(_name: string, mail: SchedulerMail): Promise<Bill[]> {
		if (this.broken) throw new Error("gone");
		this.toSchedulers.push(mail);
		return mail.ended.map(({ reservation }) => ({ reservation, seconds: 7 }));
	}

	async toLedger(_tenant: string, mail: LedgerMail): Promise<{ recalled: string[] }> {
		if (this.broken) throw new Error("gone");
		this.toLedgers.push(mail);
		return { recalled: this.recalled.splice(0) };
	}

	async pass(seconds: number): Promise<void> {
		const until = this.time + seconds;
		for (;;) {
			for (let i = 0; i < 20; i++) await Promise.resolve();
			this.sleepers.sort((a, b) => a.at - b.at);
			const next = this.sleepers[0];
			if (!next || next.at > until) break;
			this.sleepers.shift();
			this.time = next.at;
			next.wake();
		}
		this.time = until;
	}
}

const settings = settingsFrom("{}");
const record = (id: string): RequestRecord => ({ id, key: "k" }) as RequestRecord;
const NOTHING = { nano: 0, requests: 0, tokens: 0, slots: 0 };
const hold = { lease: null, amount: NOTHING };

function post(): Post {
	let id = 0;
	return new Post(settings, () => `id${++id}`);
}

test("what many requests post leaves in few batches, and each stays only until its own is acknowledged", async () => {
	const world = new World();
	const sender = post();
	let left = 0;
	for (let i = 0; i < 100; i++) {
		sender.announce("t", `r${i}`);
		sender.settle("t", "k", hold, { record: record(`r${i}`), lease: null, reserved: NOTHING });
		void sender.linger("t", `r${i}`, world).then(() => left++);
	}
	await world.pass(1);
	expect(left).toBe(100);
	expect(world.toLedgers.length).toBeLessThanOrEqual(2);
	expect(world.toLedgers.flatMap((mail) => mail.settlements)).toHaveLength(100);
	expect(sender.isPending("t", "r3")).toBe(false);
});

test("nothing is lost while the ledger is away: it goes out when it is back, once", async () => {
	const world = new World();
	const sender = post();
	world.broken = true;
	sender.announce("t", "r");
	sender.settle("t", "k", hold, { record: record("r"), lease: null, reserved: NOTHING });
	void sender.linger("t", "r", world);
	await world.pass(3);
	expect(sender.isPending("t", "r")).toBe(true);
	world.broken = false;
	await world.pass(1);
	expect(world.toLedgers.flatMap((mail) => mail.settlements.map((s) => s.record.id))).toEqual(["r"]);
	expect(sender.isPending("t", "r")).toBe(false);
});

test("a bill comes back with the batch that told of the end; a scheduler that stays away gives none", async () => {
	const world = new World();
	const sender = post();
	const bills: (Seconds | null)[] = [];
	const end = (reservation: string): void =>
		sender
			.mailbox("s", world.now())
			.ended(
				{ reservation, outcome: "ok", ttft: null, seconds: 1, promptTokens: 1, cachedTokens: null, outputTokens: 1 },
				(share) => bills.push(share && share.seconds),
			);
	end("a");
	await sender.flush(world);
	expect(bills).toEqual([7]);
	world.broken = true;
	end("b");
	for (let i = 0; i < 3; i++) await sender.flush(world);
	expect(bills).toEqual([7, null]);
});

test("requests in flight are renewed when it is due, and not before", async () => {
	const world = new World();
	const sender = post();
	const renewal = { reservation: "a", replica: "p/a", tenant: "t", key: "k", promptTokens: 1, outputTokens: 1 };
	sender.mailbox("s", world.now()).depart({ renewal, since: world.now(), started: false });
	await sender.flush(world);
	expect(world.toSchedulers).toEqual([]);
	world.time += settings.renewSeconds;
	await sender.flush(world);
	expect(world.toSchedulers[0]?.renewals).toMatchObject([
		{ reservation: "a", age: settings.renewSeconds, started: false },
	]);
});

test("a lease that was idle is given back by whoever is left", async () => {
	const world = new World();
	const sender = post();
	const limits = {
		dayNano: 100,
		monthNano: null,
		totalNano: null,
		requestsPerMinute: null,
		tokensPerMinute: null,
		concurrency: null,
	};
	const amount = { nano: 1, requests: 1, tokens: 1, slots: 1 };
	const granted = { nano: 16, requests: 16, tokens: 16, slots: 16 };
	const reserved = sender.wallet("t").reserve(
		"k",
		limits,
		amount,
		async () => ({ ok: true, value: { granted, seconds: 45 } }),
		world.now,
		() => {},
	);
	const held = "ok" in reserved ? reserved : await reserved.promise;
	if (!held.ok) throw new Error("refused");
	for (const id of ["r1", "r2"]) {
		sender.announce("t", id);
		sender.settle("t", "k", held.value, { record: record(id), lease: held.value.lease, reserved: amount });
		void sender.linger("t", id, world);
	}
	await world.pass(3);
	expect(world.toLedgers.flatMap((mail) => mail.returns)).toEqual([
		{ lease: "id1", unused: { nano: 15, requests: 15, tokens: 15, slots: 15 } },
	]);
	expect(world.sleepers).toEqual([]);
});
