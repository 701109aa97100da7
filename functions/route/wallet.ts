import type {
	Amount,
	KeyLimits,
	LeaseReply,
	LeaseRequest,
	LeaseReturn,
	LedgerRefusal,
} from "../../src/shared/ledger/messages.ts";
import { ok, type Result } from "../../src/shared/result.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { close, draw, NOTHING, refuse, serve, type Hold, type Lease, type Purse, type Waiting } from "./purse.ts";

/** What the wallet needs of a tenant's ledger. Rejects when the ledger cannot be reached in time. */
export type AskLease = (request: LeaseRequest) => Promise<LeaseReply>;

/** Nothing in hand covers the need: a call is under way. */
export interface Pending {
	readonly promise: Promise<Result<Hold, LedgerRefusal>>;
	/** The request waits no longer. What it was given meanwhile, without having heard of it, is its own all the same. */
	abandon(): Hold | undefined;
}

interface Granted {
	readonly id: string;
	readonly granted: Amount;
	readonly seconds: Seconds;
}

/** The first lease covers twice this. Each that is used up doubles the next, so that a busy isolate seldom waits for one; an idle
 *  or recalled one begins anew, so that a quiet isolate has little to lose. */
const WANT_MIN = 2;

const EVERYTHING: Amount = { nano: Infinity, requests: Infinity, tokens: Infinity, slots: Infinity };

/** A call that has not come back for this long belonged to a request that is gone; another may ask. */
const ASK_ABANDONED_SECONDS = 10;
/** Where always somebody waits, one request would ask for all others without end, and the platform ends it 30 s after its
 *  own answer: before that a fresh one takes over. */
const ASKER_RELIEVED_SECONDS = 10;

/** Those that hold other parts than a request at a pool have purses of their own: hits and rules' answers, which only count in the
 *  minute, and requests beside a client's, which only take money. A lease for them would lack what the others need, and each of
 *  both would be closed for the next. */
const PARTS = ["", " free", " beside"] as const;

function pursesOf(key: string): string[] {
	return PARTS.map((part) => key + part);
}

function purseOf(key: string, { slots, requests }: Amount): string {
	return key + PARTS[slots > 0 ? 0 : requests > 0 ? 1 : 2];
}

/** Leases of one tenant in one isolate: amounts that the tenant's ledger has already reserved, from which requests draw
 *  without a call. Concurrent requests of one key share one call for the next lease. */
export class Wallet {
	readonly #purses = new Map<string, Purse>();
	readonly #newId: () => string;
	readonly #wantMax: number;
	readonly #idleSeconds: Seconds;
	readonly #requestSecondsMax: Seconds;
	/** Given back with a call that failed: they go out again. */
	#unsent: LeaseReturn[] = [];

	/** No request takes longer than `requestSecondsMax` from its draw to its settlement. */
	constructor(options: { newId: () => string; wantMax: number; idleSeconds: Seconds; requestSecondsMax: Seconds }) {
		this.#newId = options.newId;
		this.#wantMax = options.wantMax;
		this.#idleSeconds = options.idleSeconds;
		this.#requestSecondsMax = options.requestSecondsMax;
	}

	/** Reserves `need` for one request: at once from a lease in hand, otherwise by a call, made by this request or by another
	 *  one that asks already. Whoever waits must have a timer of its own running (the runtime ends a request that waits for
	 *  nothing but another request), and must `abandon` when it waits no longer, or it would be given a hold that nobody
	 *  settles: the word from another request's turn may come later than its own timer. `waitUntil` keeps the asking request alive while it asks for others. The promise rejects when the call does. */
	reserve(
		key: string,
		limits: KeyLimits,
		need: Amount,
		ask: AskLease,
		clock: () => Seconds,
		waitUntil: (asking: Promise<void>) => void,
	): Result<Hold, LedgerRefusal> | Pending {
		const name = purseOf(key, need);
		const purse = this.#purse(name);
		if (purse.waiting.length === 0) {
			const hold = draw(purse, need, clock());
			if (hold) return ok(hold);
		}
		const { promise, resolve, reject } = Promise.withResolvers<Result<Hold, LedgerRefusal>>();
		const waiting: Waiting = { need, resolve, reject };
		purse.waiting.push(waiting);
		const now = clock();
		const relieved = now - purse.askingSince >= ASKER_RELIEVED_SECONDS || now - purse.askedAt >= ASK_ABANDONED_SECONDS;
		if (!purse.asking || relieved) {
			waitUntil(this.#ask(name, key, purse, limits, ask, clock));
		}
		const abandon = (): Hold | undefined => {
			const at = purse.waiting.indexOf(waiting);
			if (at >= 0) purse.waiting.splice(at, 1);
			return waiting.given;
		};
		return { promise, abandon };
	}

	/** The request that held this has been settled with the ledger. */
	settled(key: string, hold: Pick<Hold, "lease">): void {
		if (hold.lease === null) return;
		for (const name of pursesOf(key)) {
			const purse = this.#purses.get(name);
			const lease = purse?.leases.get(hold.lease);
			if (!purse || !lease) continue;
			lease.inFlight--;
			this.#forgetIfEmpty(name, purse, lease);
		}
	}

	/** What to give back now: leases that were recalled, and those from which nothing was drawn for a while. */
	takeReturns(recalled: readonly string[], now: Seconds): LeaseReturn[] {
		const returns: LeaseReturn[] = this.#unsent;
		this.#unsent = [];
		for (const [name, purse] of this.#purses) {
			for (const lease of purse.leases.values()) {
				const idle = now - lease.lastDraw >= this.#idleSeconds;
				if (!idle && !recalled.includes(lease.id)) continue;
				if (lease.closed && lease.left === NOTHING) continue;
				returns.push(close(purse, lease));
				purse.want = WANT_MIN;
				this.#forgetIfEmpty(name, purse, lease);
			}
		}
		return returns;
	}

	/** Leases that the ledger must keep alive for us. One whose last request must be over has been left behind, by a request that
	 *  the runtime ended without a word: it is forgotten here, and ends unconfirmed there. */
	held(now: Seconds): string[] {
		for (const [name, purse] of this.#purses) {
			for (const lease of purse.leases.values()) {
				if (!lease.closed || now - lease.lastDraw <= this.#requestSecondsMax) continue;
				purse.leases.delete(lease.id);
				this.#forgetPurseIfEmpty(name, purse);
			}
		}
		return [...this.#purses.values()].flatMap((purse) => [...purse.leases.keys()]);
	}

	/** The ledger has heard from us about these leases. */
	renewed(leases: readonly string[], now: Seconds): void {
		for (const purse of this.#purses.values()) {
			for (const id of leases) {
				const lease = purse.leases.get(id);
				if (lease) lease.expiresAt = now + lease.seconds;
			}
		}
	}

	/** Nothing in hand, in flight or asked for. */
	get isEmpty(): boolean {
		return this.#purses.size === 0 && this.#unsent.length === 0;
	}

	/** Whether something is in hand, or will be when a call comes back, that a later flush must give back. */
	get holdsUnused(): boolean {
		if (this.#unsent.length > 0) return true;
		for (const purse of this.#purses.values()) {
			if (purse.asking) return true;
			for (const lease of purse.leases.values()) if (!lease.closed) return true;
		}
		return false;
	}

	#purse(name: string): Purse {
		let purse = this.#purses.get(name);
		if (!purse) {
			purse = {
				leases: new Map(),
				current: undefined,
				want: WANT_MIN,
				waiting: [],
				asking: false,
				askingSince: 0,
				askedAt: 0,
				turn: 0,
			};
			this.#purses.set(name, purse);
		}
		return purse;
	}

	async #ask(
		name: string,
		key: string,
		purse: Purse,
		limits: KeyLimits,
		ask: AskLease,
		clock: () => Seconds,
	): Promise<void> {
		const turn = ++purse.turn;
		purse.asking = true;
		purse.askingSince = clock();
		try {
			while (purse.waiting.length > 0 && purse.turn === turn) {
				purse.askedAt = clock();
				const need = purse.waiting[0]!.need;
				// A lease that was used up at once was too small, and who waits now needs places too.
				purse.want = Math.min(this.#wantMax, Math.max(purse.want * 2, purse.waiting.length));
				const present = new Set(purse.waiting);
				const reply = await this.#askOnce(name, purse, { key, limits, need, want: purse.want }, ask);
				if (reply.ok) serve(purse, this.#open(purse, reply.value, clock()));
				else refuse(purse, present, need, reply.error);
			}
		} catch (error) {
			for (const waiting of purse.waiting.splice(0)) waiting.reject(error);
		} finally {
			if (purse.turn === turn) purse.asking = false;
			this.#forgetPurseIfEmpty(name, purse);
		}
	}

	async #askOnce(
		name: string,
		purse: Purse,
		request: Omit<LeaseRequest, "lease" | "returns">,
		ask: AskLease,
	): Promise<Result<Granted, LedgerRefusal>> {
		const lease = this.#newId();
		const current = purse.current;
		const returns = current ? [close(purse, current)] : [];
		if (current) this.#forgetIfEmpty(name, purse, current);
		try {
			const reply = await ask({ ...request, lease, returns });
			return reply.ok ? ok({ id: lease, ...reply.value }) : reply;
		} catch (error) {
			// It may have been granted all the same: the ledger takes it back when it hears of it.
			this.#unsent.push(...returns, { lease, unused: EVERYTHING });
			throw error;
		}
	}

	#open(purse: Purse, { id, granted, seconds }: Granted, now: Seconds): Seconds {
		const lease = { id, left: granted, inFlight: 0, expiresAt: now + seconds, seconds, lastDraw: now, closed: false };
		purse.leases.set(id, lease);
		purse.current = lease;
		return now;
	}

	#forgetIfEmpty(name: string, purse: Purse, lease: Lease): void {
		if (!lease.closed || lease.inFlight > 0) return;
		purse.leases.delete(lease.id);
		this.#forgetPurseIfEmpty(name, purse);
	}

	#forgetPurseIfEmpty(name: string, purse: Purse): void {
		if (purse.leases.size === 0 && purse.waiting.length === 0 && !purse.asking) this.#purses.delete(name);
	}
}
