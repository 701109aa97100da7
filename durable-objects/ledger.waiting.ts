import type { LeaseReply, LeaseRequest } from "../src/shared/ledger/messages.ts";
import type { Seconds } from "../src/shared/units.ts";

export interface Waiter {
	readonly request: LeaseRequest;
	readonly holder: string;
	/** When it is decided at the latest. */
	readonly until: Seconds;
	readonly reply: Promise<LeaseReply>;
	readonly resolve: (reply: LeaseReply) => void;
}

/** More than this are decided at once instead of waiting. */
const WAITERS_MAX = 10_000;

/** Lease calls that wait for recalled leases, first come first served within a key. They live in memory only: when the object
 *  goes, so do the calls. */
export class LedgerWaiting {
	readonly #queues = new Map<string, Waiter[]>();
	/** By lease id, in order of arrival; all wait equally long, so the first is due first. */
	readonly #waiters = new Map<string, Waiter>();
	#timer: ReturnType<typeof setTimeout> | undefined;

	get isFull(): boolean {
		return this.#waiters.size >= WAITERS_MAX;
	}

	get keys(): readonly string[] {
		return [...this.#queues.keys()];
	}

	find(lease: string): Waiter | undefined {
		return this.#waiters.get(lease);
	}

	isWaitedFor(key: string): boolean {
		return this.#queues.has(key);
	}

	first(key: string): Waiter | undefined {
		return this.#queues.get(key)?.[0];
	}

	join(request: LeaseRequest, holder: string, until: Seconds): Waiter {
		const { promise: reply, resolve } = Promise.withResolvers<LeaseReply>();
		const waiter: Waiter = { request, holder, until, reply, resolve };
		const queue = this.#queues.get(request.key);
		if (queue) queue.push(waiter);
		else this.#queues.set(request.key, [waiter]);
		this.#waiters.set(request.lease, waiter);
		return waiter;
	}

	/** The first of the key's queue has its answer. */
	leave(key: string, reply: LeaseReply): void {
		const queue = this.#queues.get(key);
		const waiter = queue?.shift();
		if (queue?.length === 0) this.#queues.delete(key);
		if (!waiter) return;
		this.#waiters.delete(waiter.request.lease);
		waiter.resolve(reply);
	}

	/** Calls `due` once the one that has waited longest must be decided. */
	watch(now: Seconds, due: () => void): void {
		clearTimeout(this.#timer);
		const [oldest] = this.#waiters.values();
		this.#timer = oldest && setTimeout(due, Math.max(1, Math.ceil((oldest.until - now) * 1_000)));
	}
}
