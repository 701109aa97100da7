import type { LeaseReturn, LedgerMail, LedgerMailReply, Settlement } from "../../src/shared/ledger/messages.ts";
import type { Bill, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import { RPC_BYTES_MAX, WAITING_SECONDS_MAX } from "../../src/shared/limits.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { AssignLine } from "./assign-line.ts";
import { Mailbox } from "./mailbox.ts";
import type { Hold } from "./purse.ts";
import { Wallet } from "./wallet.ts";

/** How the post reaches the objects; made anew in each request, because a stub belongs to the request that made it. */
export interface Carriers {
	toScheduler(name: string, mail: SchedulerMail): Promise<readonly Bill[]>;
	toLedger(tenant: string, mail: LedgerMail): Promise<LedgerMailReply>;
	now(): Seconds;
	sleep(seconds: Seconds): Promise<void>;
}

interface Settling {
	readonly key: string;
	readonly hold: Hold;
	readonly settlement: Settlement;
}

/** What one isolate has to tell one tenant's ledger. */
interface TenantPost {
	readonly wallet: Wallet;
	settling: Settling[];
	/** Announced or sent, and not acknowledged yet. */
	readonly underWay: Set<string>;
	returns: LeaseReturn[];
	recalled: readonly string[];
	renewedAt: Seconds;
}

/** How long a request stays behind for what it posted; the platform allows 30 s after the answer. */
const LINGER_SECONDS_MAX = 25;

/** Beyond its time-out, what a call may take to be ended. */
const WATCHDOG_SECONDS = 30;

/** A record has some kilobytes, with the decision over hundreds of replicas some tens of them. */
const SETTLEMENTS_PER_MAIL_MAX = Math.floor(RPC_BYTES_MAX / 2 / 65_536);
const SETTLEMENTS_QUEUED_MAX = 20_000;

/** How often it is looked whether another request's flush has settled what one waits for. */
const SETTLE_POLL_SECONDS = 0.01;

/** Before its time is over it leaves at the first moment when nothing waits, so that nobody has relied on it in vain. */
const HAND_OVER_SECONDS = 5;

/** Everything that leaves an isolate in batches: settlements, renewals, first tokens, leases given back. A Worker has no
 *  background task, so each request that has ended stays until what it posted is acknowledged, and whoever wakes first
 *  sends for all. */
export class Post {
	readonly #settings: Settings;
	readonly #newId: () => string;
	readonly #mailboxes = new Map<string, Mailbox>();
	readonly #lines = new Map<string, AssignLine>();
	readonly #tenants = new Map<string, TenantPost>();
	#booked = 0;
	/** Until then a request is there that sends for all. */
	#attendedUntil: Seconds = 0;

	constructor(settings: Settings, newId: () => string) {
		this.#settings = settings;
		this.#newId = newId;
	}

	mailbox(scheduler: string, now: Seconds): Mailbox {
		let box = this.#mailboxes.get(scheduler);
		if (!box) this.#mailboxes.set(scheduler, (box = new Mailbox(now, this.#flightSecondsMax())));
		return box;
	}

	/** Where the isolate's requests ask that scheduler. */
	line(scheduler: string, now: Seconds): AssignLine {
		let line = this.#lines.get(scheduler);
		if (!line) {
			line = new AssignLine(this.mailbox(scheduler, now), this.#settings);
			this.#lines.set(scheduler, line);
		}
		return line;
	}

	/** One attempt has its time-out; what the watchdog needs to end it comes on top. */
	#flightSecondsMax(): Seconds {
		return this.#settings.totalTimeoutSeconds + WATCHDOG_SECONDS;
	}

	wallet(tenant: string): Wallet {
		return this.#tenant(tenant).wallet;
	}

	/** This request has ended and its settlement will follow, though perhaps not at once. */
	announce(tenant: string, requestId: string): void {
		this.#tenant(tenant).underWay.add(requestId);
	}

	settle(tenant: string, key: string, hold: Hold, settlement: Settlement): void {
		const { settling, underWay } = this.#tenant(tenant);
		settling.push({ key, hold, settlement });
		if (settling.length <= SETTLEMENTS_QUEUED_MAX) return;
		// The ledger has been away for long. What is dropped here its lease pays for in full, when it ends unconfirmed.
		const { record } = settling.shift()!.settlement;
		underWay.delete(record.id);
		console.error(JSON.stringify({ event: "settlement_dropped", id: record.id, key: record.key }));
	}

	/** Whether this isolate still has to tell the ledger of this request. */
	isPending(tenant: string, requestId: string): boolean {
		return this.#tenants.get(tenant)?.underWay.has(requestId) ?? false;
	}

	/** How often a ledger has booked what ended in this isolate. */
	get booked(): number {
		return this.#booked;
	}

	/** Sends at once what has ended, and waits until the ledger has booked all that had ended by now, or for so long. False when
	 *  nothing had. */
	async settleNow(tenant: string, carriers: Carriers, seconds: Seconds): Promise<boolean> {
		const post = this.#tenants.get(tenant);
		if (!post || post.underWay.size === 0) return false;
		const ended = [...post.underWay];
		const until = carriers.now() + seconds;
		for (;;) {
			await this.flush(carriers);
			if (carriers.now() >= until || !ended.some((id) => post.underWay.has(id))) return true;
			await carriers.sleep(SETTLE_POLL_SECONDS);
		}
	}

	/** Whether another request stays and sends for all, so that `linger` would return at once. */
	isAttended(now: Seconds): boolean {
		return now < this.#attendedUntil;
	}

	/** Stays until this request's settlement is acknowledged, unless another request of the isolate stays and sends already;
	 *  then until the leases in hand were idle and are given back. Should that other one be ended before its time, the next
	 *  request sends, or the lease ends by itself. */
	async linger(tenant: string, requestId: string, carriers: Carriers): Promise<void> {
		if (this.isAttended(carriers.now())) return;
		const pause = this.#settings.flushSeconds;
		const until = carriers.now() + LINGER_SECONDS_MAX;
		for (;;) {
			const now = carriers.now();
			const busy = this.isPending(tenant, requestId) || this.#hasWaiting();
			if (now >= (busy ? until : until - HAND_OVER_SECONDS) || !(busy || this.#holdsUnused())) break;
			this.#attendedUntil = now + 2 * pause;
			await carriers.sleep(pause);
			await this.flush(carriers);
		}
		this.#attendedUntil = 0;
	}

	/** Sends whatever waits to whomever it is for, and renews what is due. */
	async flush(carriers: Carriers): Promise<void> {
		// Schedulers first: their bills become settlements that leave in the same flush.
		await Promise.all([...this.#mailboxes].map(([name, box]) => this.#flushScheduler(name, box, carriers)));
		await Promise.all([...this.#tenants].map(([name, post]) => this.#flushTenant(name, post, carriers)));
	}

	async #flushScheduler(name: string, box: Mailbox, carriers: Carriers): Promise<void> {
		const parcel = box.take(carriers.now(), this.#settings.renewSeconds * 0.9);
		const { first, ended, renewals } = parcel.mail;
		if (first.length + ended.length + renewals.length > 0) {
			try {
				parcel.delivered(await carriers.toScheduler(name, parcel.mail));
			} catch {
				parcel.lost();
			}
		}
	}

	async #flushTenant(name: string, post: TenantPost, carriers: Carriers): Promise<void> {
		const now = carriers.now();
		const returns = [...post.returns, ...post.wallet.takeReturns(post.recalled, now)];
		const held = post.wallet.held(now);
		const renewalsDue = held.length > 0 && now - post.renewedAt >= this.#settings.renewSeconds * 0.9;
		const settling = post.settling.slice(0, SETTLEMENTS_PER_MAIL_MAX);
		if (settling.length + returns.length === 0 && !renewalsDue) return;

		post.settling = post.settling.slice(settling.length);
		post.returns = [];
		post.recalled = [];
		post.renewedAt = now;
		try {
			const settlements = settling.map((s) => s.settlement);
			const reply = await carriers.toLedger(name, { settlements, returns, renewals: held });
			post.recalled = reply.recalled;
			if (settling.length > 0) this.#booked++;
			post.wallet.renewed(held, now);
			for (const s of settling) {
				post.wallet.settled(s.key, s.hold);
				if (s.settlement.hedge) post.wallet.settled(s.key, s.settlement.hedge);
				post.underWay.delete(s.settlement.record.id);
			}
		} catch {
			// Settlements and returns are idempotent: all of it goes out again.
			post.settling = settling.concat(post.settling);
			post.returns = returns.concat(post.returns);
		}
		if (post.settling.length + post.returns.length + post.underWay.size === 0 && post.wallet.isEmpty)
			this.#tenants.delete(name);
	}

	#hasWaiting(): boolean {
		for (const box of this.#mailboxes.values()) if (!box.isEmpty) return true;
		for (const post of this.#tenants.values()) if (post.settling.length + post.returns.length > 0) return true;
		return false;
	}

	#holdsUnused(): boolean {
		for (const post of this.#tenants.values()) if (post.wallet.holdsUnused || post.recalled.length > 0) return true;
		return false;
	}

	#tenant(name: string): TenantPost {
		let post = this.#tenants.get(name);
		if (!post) {
			const wallet = new Wallet({
				newId: this.#newId,
				wantMax: this.#settings.requestsPerLeaseMax,
				idleSeconds: this.#settings.leaseIdleSeconds,
				requestSecondsMax:
					this.#settings.attemptsMax * this.#flightSecondsMax() +
					Math.max(WAITING_SECONDS_MAX, this.#settings.waitingSecondsMax),
			});
			post = { wallet, settling: [], underWay: new Set(), returns: [], recalled: [], renewedAt: 0 };
			this.#tenants.set(name, post);
		}
		return post;
	}
}
