import type { LocalView } from "../../src/shared/admission/fallback.ts";
import { RetryBudget } from "../../src/shared/admission/retry-budget.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { Failure } from "./failure.ts";

const SUSPECT_SECONDS = 5;
/** Idle connections to one server that are believed in at most: the platform keeps some of those that were used. */
const IDLE_MAX = 256;

/** What this isolate has seen of replicas itself: all that the fallback has to go by. */
export class Neighbourhood implements LocalView {
	readonly #clock: () => Seconds;
	readonly #inFlight = new Map<string, number>();
	readonly #failedAt = new Map<string, Seconds>();
	/** By origin, how many idle connections there may be to a server: each was left by an answer. Replicas that share one, as the
	 *  models of a commercial API do, share them. */
	readonly #idle = new Map<string, number>();
	readonly #retryShare: number;
	/** By pool: of requests that the fallback sent, since the scheduler keeps the budget of its own. */
	readonly #retries = new Map<string, RetryBudget>();

	constructor(clock: () => Seconds, retryShare: number) {
		this.#clock = clock;
		this.#retryShare = retryShare;
	}

	inFlight(replica: string): number {
		return this.#inFlight.get(replica) ?? 0;
	}

	isSuspect(replica: string): boolean {
		const failedAt = this.#failedAt.get(replica);
		if (failedAt === undefined) return false;
		if (this.#clock() - failedAt < SUSPECT_SECONDS) return true;
		this.#failedAt.delete(replica);
		return false;
	}

	/** A connection to this server was lost before anything came: whether it may have been one that the server had closed while it
	 *  was idle. When the next one is lost too, none is believed in until it has answered again: a server that reads requests and
	 *  drops them would get each twice. */
	mayHaveBeenStale(url: string): boolean {
		const { origin } = new URL(url);
		const idle = this.#idle.get(origin) ?? 0;
		if (idle === 0) return false;
		this.#idle.set(origin, idle - 1);
		return true;
	}

	/** Whether the fallback may send a request to this pool: a retry only within the retry budget. Counts it as sent. */
	mayFallBack(pool: string, retry: boolean): boolean {
		let budget = this.#retries.get(pool);
		if (!budget) this.#retries.set(pool, (budget = new RetryBudget({ share: this.#retryShare })));
		if (retry) return budget.withdraw(this.#clock());
		budget.deposit(this.#clock());
		return true;
	}

	enter(replica: string): void {
		this.#inFlight.set(replica, this.inFlight(replica) + 1);
	}

	/** `url`: where the replica is. */
	exit(replica: string, url: string, failure: Failure["kind"] | null): void {
		const left = this.inFlight(replica) - 1;
		if (left > 0) this.#inFlight.set(replica, left);
		else this.#inFlight.delete(replica);
		const { origin } = new URL(url);
		if (failure === null) return void this.#idle.set(origin, Math.min(IDLE_MAX, (this.#idle.get(origin) ?? 0) + 1));
		this.#failedAt.set(replica, this.#clock());
		if (failure === "connect") this.#idle.delete(origin);
	}
}
