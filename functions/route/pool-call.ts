import type { CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import type { Attempt } from "../../src/shared/ledger/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { Admitted } from "./admit.ts";
import type { Beat } from "./beat.ts";
import type { Choice } from "./choice.ts";
import type { Caller } from "./prepared.ts";
import type { RequestTimer } from "./request-timer.ts";
import type { LastAttempt } from "./settle.ts";
import { callUpstream, type UpstreamResult } from "./upstream.ts";
import { upstreamCall } from "./upstream-request.ts";
import type { Hold } from "./purse.ts";

/** What a call needs of its request. */
export interface CallContext {
	readonly http: Caller;
	readonly hops: string;
	readonly env: Env;
	readonly beat: Beat;
	readonly timer: RequestTimer;
}

/** One attempt: a call to a replica where a place is reserved, and how it went. */
export class PoolCall {
	readonly choice: Choice;
	readonly replica: CatalogReplica;
	/** What pays for it. */
	readonly hold: Hold;
	readonly isHedge: boolean;
	/** Unix seconds. */
	readonly since: Seconds = Date.now() / 1_000;
	readonly #abort = new AbortController();
	#result: UpstreamResult | null = null;
	#seconds: Seconds = 0;
	#isCalledOff = false;
	/** It was made twice, and the pool may have worked on both. */
	#isRepeated = false;

	constructor(choice: Choice, replica: CatalogReplica, hold: Hold, isHedge = false) {
		this.choice = choice;
		this.replica = replica;
		this.hold = hold;
		this.isHedge = isHedge;
	}

	/** Makes the call. Rejects only for a bug. */
	async send(admitted: Admitted, { http, hops, env, beat, timer }: CallContext): Promise<UpstreamResult> {
		const { isolate, key } = admitted;
		const { choice, replica, since } = this;
		const { reservation, promptTokens, outputTokens } = choice;
		const renewal = { reservation, replica: replica.name, tenant: key.tenant, key: key.id, promptTokens, outputTokens };
		isolate.replicas.enter(replica.name);
		isolate.post.mailbox(choice.scheduler, since).depart({ renewal, since, started: false });
		const once = upstreamCall(admitted, replica, http.headers, hops, env);
		const call = { ...once, mayRepeat: () => (this.#isRepeated = once.mayRepeat()) };
		const timeouts = timeoutsFor(choice, isolate.settings);
		this.#result = await callUpstream(call, timeouts, http.signal, beat, timer, this.#abort);
		this.#seconds = Date.now() / 1_000 - since;
		return this.#result;
	}

	/** Another call has answered. What it may still answer is of no use. */
	callOff(): void {
		this.#isCalledOff = true;
		this.#abort.abort(new Error("called off"));
		const result = this.#result;
		if (!result || !("reader" in result)) return;
		result.watchdog.stop();
		void result.reader.cancel().catch(() => {});
	}

	/** How it stands. */
	last(extra: Partial<LastAttempt>): LastAttempt {
		const result = this.#result;
		return {
			choice: this.choice,
			replica: this.replica,
			hold: this.hold,
			answered: false,
			failure: null,
			usage: null,
			tokenEvents: 0,
			ttft: null,
			headersAt: result && "headersAt" in result ? result.headersAt : null,
			warmth: result?.warmth ?? null,
			seconds: Date.now() / 1_000 - this.since,
			...extra,
		};
	}

	/** As it stands in the record. */
	get attempt(): Attempt {
		const result = this.#result;
		const replica = this.replica.name;
		const marks = {
			...(this.isHedge && { hedge: true as const }),
			...(this.#isRepeated && { repeated: true as const }),
		};
		if (!result || this.#isCalledOff) {
			const seconds = Date.now() / 1_000 - this.since;
			return { replica, status: null, failure: "called off: another answered first", seconds, ...marks };
		}
		return {
			replica,
			status: "status" in result ? result.status : result.kind === "failed" ? result.failure.status : null,
			failure: result.kind === "failed" ? result.failure.detail : null,
			seconds: this.#seconds,
			...marks,
		};
	}
}

/** A replica that may have to start first is given the time for that, or the request would be given up just before its answer. */
function timeoutsFor({ replica: { startSecondsMax = 0 } }: Choice, settings: Settings): Settings {
	if (startSecondsMax === 0) return settings;
	const { headersTimeoutSeconds, firstEventTimeoutSeconds } = settings;
	return {
		...settings,
		headersTimeoutSeconds: headersTimeoutSeconds + startSecondsMax,
		firstEventTimeoutSeconds: firstEventTimeoutSeconds + startSecondsMax,
	};
}
