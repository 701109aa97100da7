import { DurableObject } from "cloudflare:workers";
import { newAccount, rolled, UNLIMITED } from "../src/shared/ledger/account.ts";
import { askLease, type Asked } from "../src/shared/ledger/ask.ts";
import { newDraft, type Draft } from "../src/shared/ledger/draft.ts";
import { expireLeases, takeMail, takeReturns } from "../src/shared/ledger/mail.ts";
import type {
	BudgetState,
	LeaseReply,
	LeaseRequest,
	LedgerMail,
	LedgerMailReply,
	RequestRecord,
	Statement,
	UsageQuery,
	UsageRow,
} from "../src/shared/ledger/messages.ts";
import { settingsFrom, type Settings } from "../src/shared/settings.ts";
import type { Seconds } from "../src/shared/units.ts";
import { Gather } from "./gather.ts";
import { LEDGER_MIGRATIONS } from "./ledger.migrations.ts";
import { LedgerStore } from "./ledger.store.ts";
import { LedgerWaiting } from "./ledger.waiting.ts";
import { migrate } from "./sql-migrations.ts";

/** How often old records are looked for while there are any. */
const PURGE_SECONDS: Seconds = 3_600;
/** Calls this close together are committed together; about what a commit costs. */
const GATHER_SECONDS: Seconds = 0.004;
/** The alarm is coarse: what is due within this share of a lease's life is done together. Calls expire what is due anyway. */
const ALARM_GRAIN = 0.1;

/** One tenant's budgets, limits, leases, usage and request records. Its name is the tenant. */
export class Ledger extends DurableObject<Env> {
	readonly #settings: Settings;
	readonly #store: LedgerStore;
	readonly #waiting = new LedgerWaiting();
	readonly #gather = new Gather(GATHER_SECONDS);
	#alarmAt: Seconds = Infinity;

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		this.#settings = settingsFrom(env.SETTINGS);
		migrate(ctx.storage, LEDGER_MIGRATIONS);
		this.#store = new LedgerStore(ctx.storage);
	}

	/** Grants or refuses a lease. When it would fit if open leases came back, it recalls them and waits for up to
	 *  `recallSeconds`. Within a key nobody overtakes: a smaller request waits behind a larger one, for at most its own
	 *  `recallSeconds`, because a stream of small ones would otherwise starve the large one of what was recalled for it. */
	async lease(request: LeaseRequest, holder: string): Promise<LeaseReply> {
		await this.#gather.turn(clock());
		const waiter = this.#waiting.find(request.lease);
		if (waiter) return waiter.reply;
		const now = clock();
		this.#turn(now, (draft) => takeReturns(draft, request.returns, now));
		const reply = await this.#ask(request, holder, now);
		await this.#arm(clock());
		return reply;
	}

	/** Books what an isolate reports, in one transaction. */
	async mail(mail: LedgerMail, holder: string): Promise<LedgerMailReply> {
		await this.#gather.turn(clock());
		const now = clock();
		this.#turn(now, (draft) => takeMail(draft, mail, this.#settings.leaseSeconds, now));
		await this.#arm(now, now + PURGE_SECONDS);
		const recalled: string[] = [];
		for (const key of this.#waiting.keys) {
			for (const lease of this.#store.liveLeases(key)) {
				if (lease.drawing === "open" && lease.holder === holder) recalled.push(lease.id);
			}
		}
		return { recalled };
	}

	/** Rows of usage, the newest days first; at most USAGE_ROWS_MAX of them. */
	usage(query: UsageQuery): UsageRow[] {
		this.#turn(clock(), () => {});
		return this.#store.usage(query);
	}

	statement(query: UsageQuery, key: string): Statement {
		const budget = this.budget(key);
		return { budget, rows: this.#store.usage(query) };
	}

	/** What a key has spent, and what its leases hold. */
	budget(key: string): BudgetState {
		const now = clock();
		this.#turn(now, () => {});
		const { day, spent, held, limits } = rolled(this.#store.account(key) ?? newAccount(key, UNLIMITED, now), now);
		return { key, day, spent, outstanding: held, limits };
	}

	/** A request's record; null when there is none, or none any more. */
	request(id: string): RequestRecord | null {
		return this.#store.record(id);
	}

	override async alarm(): Promise<void> {
		const now = clock();
		this.#alarmAt = Infinity;
		this.#turn(now, () => {});
		const more = this.#store.purge(now - this.#settings.recordHours * 3_600);
		const oldest = this.#store.oldest();
		// Hourly rather than when the oldest is due: a busy tenant's records are also bounded in number.
		const hourly = Math.min(now + PURGE_SECONDS, oldest + this.#settings.recordHours * 3_600);
		await this.#arm(now, more ? now : oldest === Infinity ? Infinity : hourly);
	}

	/** One turn: `book` writes into a draft, leases past their time end, the draft is committed, and whoever waits for what
	 *  that has freed is served. */
	#turn(now: Seconds, book: (draft: Draft) => void): void {
		const draft = newDraft(this.#store);
		book(draft);
		expireLeases(draft, this.#store.dueLeases(now), now);
		this.#store.commit(draft, now);
		for (const key of this.#waiting.keys) this.#serve(key, now);
		this.#waiting.watch(now, () => this.#turn(clock(), () => {}));
	}

	#ask(request: LeaseRequest, holder: string, now: Seconds): LeaseReply | Promise<LeaseReply> {
		const { key, lease } = request;
		const mustWait = this.#waiting.isWaitedFor(key) && !this.#store.lease(lease);
		const draft = newDraft(this.#store);
		const asked = this.#decide(draft, request, holder, now);
		const waits = asked.kind === "short" ? asked.recallable : mustWait;
		if (!waits || this.#waiting.isFull) return this.#answer(draft, asked, now);
		const waiter = this.#waiting.join(request, holder, now + this.#settings.recallSeconds);
		this.#waiting.watch(now, () => this.#turn(clock(), () => {}));
		return waiter.reply;
	}

	/** Answers from the head of the key's queue on, until one must go on waiting. */
	#serve(key: string, now: Seconds): void {
		for (let waiter = this.#waiting.first(key); waiter; waiter = this.#waiting.first(key)) {
			const draft = newDraft(this.#store);
			const asked = this.#decide(draft, waiter.request, waiter.holder, now);
			if (asked.kind === "short" && asked.recallable && now < waiter.until) return;
			this.#waiting.leave(key, this.#answer(draft, asked, now));
		}
	}

	#decide(draft: Draft, request: LeaseRequest, holder: string, now: Seconds): Asked {
		const { leaseSeconds: seconds, requestsPerLeaseMax } = this.#settings;
		const requestsMax = this.#waiting.isWaitedFor(request.key) ? 1 : requestsPerLeaseMax;
		return askLease(draft, request, holder, { seconds, requestsMax }, now);
	}

	#answer(draft: Draft, asked: Asked, now: Seconds): LeaseReply {
		if (asked.kind === "short") return { ok: false, error: asked.refusal };
		this.#store.commit(draft, now);
		return asked.reply;
	}

	/** Sets the one alarm, when there is something to do and none is set that comes soon enough. */
	async #arm(now: Seconds, purgeAt: Seconds = Infinity): Promise<void> {
		const soonest = this.#store.soonestExpiry + this.#settings.leaseSeconds * ALARM_GRAIN;
		const wanted = Math.max(now, Math.min(soonest, purgeAt));
		if (this.#alarmAt <= wanted) return;
		this.#alarmAt = wanted;
		await this.ctx.storage.setAlarm(wanted * 1_000);
	}
}

function clock(): Seconds {
	return Date.now() / 1_000;
}
