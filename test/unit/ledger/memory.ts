import { rolled, type Account } from "../../../src/shared/ledger/account.ts";
import { NOTHING, plus } from "../../../src/shared/ledger/amounts.ts";
import { askLease, type Asked } from "../../../src/shared/ledger/ask.ts";
import { addRows, newDraft, type Draft, type LedgerPages } from "../../../src/shared/ledger/draft.ts";
import type { Lease } from "../../../src/shared/ledger/lease.ts";
import { expireLeases, takeMail, takeReturns } from "../../../src/shared/ledger/mail.ts";
import type {
	Amount,
	KeyLimits,
	LeaseRequest,
	LedgerMail,
	RequestRecord,
	Settlement,
	UsageRow,
} from "../../../src/shared/ledger/messages.ts";

export const LEASE_SECONDS = 45;

/** A ledger that keeps its pages in maps: what the object does in SQLite, for tests of the decisions alone. */
export class MemoryLedger implements LedgerPages {
	readonly accounts = new Map<string, Account>();
	readonly leases = new Map<string, Lease>();
	readonly records = new Map<string, RequestRecord>();
	readonly rows = new Map<string, UsageRow>();

	account(key: string): Account | undefined {
		return this.accounts.get(key);
	}

	lease(id: string): Lease | undefined {
		return this.leases.get(id);
	}

	liveLeases(key: string): Lease[] {
		return [...this.leases.values()].filter((lease) => lease.key === key && lease.state === "live");
	}

	recordsAmong(ids: readonly string[]): ReadonlySet<string> {
		return new Set(ids.filter((id) => this.records.has(id)));
	}

	ask(request: LeaseRequest, now: number, requestsMax = 16): Asked {
		const draft = newDraft(this);
		takeReturns(draft, request.returns, now);
		const asked = askLease(draft, request, "holder", { seconds: LEASE_SECONDS, requestsMax }, now);
		this.#commit(draft);
		return asked;
	}

	mail(mail: Partial<LedgerMail>, now: number): void {
		const draft = newDraft(this);
		takeMail(draft, { settlements: [], returns: [], renewals: [], ...mail }, LEASE_SECONDS, now);
		this.#commit(draft);
	}

	expire(now: number): void {
		const draft = newDraft(this);
		expireLeases(draft, this.leases.values(), now);
		this.#commit(draft);
	}

	/** The sum of what the live leases hold, counted anew. */
	held(key: string): Amount {
		return this.liveLeases(key).reduce((sum, lease) => plus(sum, lease.held), NOTHING);
	}

	spent(key: string, now: number): Account["spent"] {
		const account = this.accounts.get(key);
		return account ? rolled(account, now).spent : { day: 0, month: 0, total: 0 };
	}

	usage(key: string): UsageRow[] {
		return [...this.rows.values()].filter((row) => row.key === key);
	}

	/** Everything but when leases end, which repeating a call may move. */
	snapshot(): unknown {
		const leases = [...this.leases.values()].map((lease) => ({ ...lease, expiresAt: 0 }));
		return structuredClone({ accounts: this.accounts, leases, records: this.records, rows: this.rows });
	}

	#commit(draft: Draft): void {
		for (const [key, account] of draft.accounts) this.accounts.set(key, account);
		for (const [id, lease] of draft.leases) this.leases.set(id, lease);
		for (const [id, record] of draft.records) this.records.set(id, record);
		for (const [id, row] of draft.usage) {
			const had = this.rows.get(id);
			this.rows.set(id, had ? addRows(had, row) : row);
		}
	}
}

export function limits(part: Partial<KeyLimits> = {}): KeyLimits {
	return {
		dayNano: null,
		monthNano: null,
		totalNano: null,
		requestsPerMinute: null,
		tokensPerMinute: null,
		concurrency: null,
		...part,
	};
}

export function amount(nano: number, tokens = 100): Amount {
	return { nano, requests: 1, tokens, slots: 1 };
}

export function record(id: string, part: Partial<RequestRecord> = {}): RequestRecord {
	return {
		id,
		key: "key_a",
		created: 0,
		endpoint: "chat",
		requested_model: "m",
		model: "m",
		stream: false,
		status: 200,
		outcome: "ok",
		error: null,
		pool: "p",
		replica: "p/1",
		decided_by: "scheduler",
		attempts: [],
		hedge: null,
		waited_seconds: 0,
		ttft_seconds: 0.1,
		seconds: 1,
		expected_ttft_seconds: 0.1,
		expected_usd: 0.001,
		prompt_tokens: 10,
		cached_tokens: null,
		completion_tokens: 20,
		usage_source: "reported",
		cost_nano_usd: 0,
		actual_nano_usd: 0,
		start_nano_usd: 0,
		hedge_nano_usd: 0,
		reserved_nano_usd: 0,
		price_version: 1,
		decision: null,
		...part,
	};
}

export function settlement(
	id: string,
	lease: string | null,
	reserved: Amount,
	cost: number,
	key = "key_a",
): Settlement {
	return { lease, reserved, record: record(id, { key, cost_nano_usd: cost }) };
}
