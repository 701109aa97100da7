import type { HedgeRecord } from "../../src/shared/ledger/messages.ts";
import { chargeOf } from "../../src/shared/money/charge.ts";
import type { ReplicaName } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { withoutPrompt, type Admitted } from "./admit.ts";
import type { Due } from "./beat.ts";
import type { Failure } from "./failure.ts";
import { askForHedge, giveBack, type Granted } from "./hedge-ask.ts";
import type { HedgeEnd } from "./hedge-end.ts";
import { carriers } from "./objects.ts";
import { PoolCall, type CallContext } from "./pool-call.ts";
import { RequestTimer } from "./request-timer.ts";
import { endAttempt } from "./settle.ts";
import { steadyMs } from "./steady-clock.ts";
import type { UpstreamResult } from "./upstream.ts";
import type { Hold } from "./purse.ts";

/** A call and how it ended. */
export interface Answered {
	readonly call: PoolCall;
	readonly result: UpstreamResult;
}

export interface Raced extends Answered {
	/** All calls in the order in which they were made. Of those that have failed the scheduler knows. */
	readonly calls: readonly PoolCall[];
}

function noop(): void {}

/** While the scheduler and the ledger are asked, how often it is looked whether they have said when to ask again. */
const ASKING_MS = 250;

/** A call and, when its answer is late, a second one beside it at another provider. The first that answers is the request's; the
 *  other is called off, and its request pays for what it has cost. The scheduler decides whether a second one is worth it. */
export class Hedge implements Due {
	#admitted: Admitted;
	readonly #first: PoolCall;
	readonly #context: CallContext;
	readonly #ctx: Pick<ExecutionContext, "waitUntil">;
	readonly #exclude: readonly ReplicaName[];
	readonly #race = Promise.withResolvers<Raced>();
	readonly #running = new Set<PoolCall>();
	readonly #results: Answered[] = [];
	#dueAt: number;
	#isAsking = false;
	#second: PoolCall | null = null;
	#isOver = false;
	#record: HedgeRecord | null = null;
	#hold: Hold | null = null;
	/** A call was called off of which the scheduler has not told the cost yet. */
	#isLosing = false;
	#lost: HedgeEnd["lost"] = null;
	#onEnd: ((end: HedgeEnd) => void) | null = null;

	/** `after`: seconds from the first call. */
	constructor(
		admitted: Admitted,
		first: PoolCall,
		context: CallContext,
		ctx: Pick<ExecutionContext, "waitUntil">,
		{ after, exclude }: { readonly after: Seconds; readonly exclude: readonly ReplicaName[] },
	) {
		this.#admitted = admitted;
		this.#first = first;
		this.#context = context;
		this.#ctx = ctx;
		this.#exclude = exclude;
		this.#dueAt = steadyMs() + after * 1_000;
	}

	get dueAt(): number {
		return this.#dueAt;
	}

	check(nowMs: number): void {
		// A timer may fire a millisecond early.
		if (nowMs < this.#dueAt - 1) return;
		this.#dueAt = nowMs + ASKING_MS;
		if (this.#isAsking) return;
		this.#isAsking = true;
		const asked = this.#ask()
			.catch((error: unknown) => this.#break(error))
			.finally(() => {
				this.#isAsking = false;
				this.#look();
				this.#close();
			});
		// What it is given must be settled, though its request has its answer by then.
		this.#ctx.waitUntil(asked);
	}

	/** Makes the first call. The answer of whichever comes first; the first one's failure where all fail. */
	race(): Promise<Raced> {
		this.#context.beat.add(this);
		this.#send(this.#first, this.#context);
		return this.#race.promise;
	}

	/** Calls `run` once nothing of it is open any more: at once, or in whichever request brings the scheduler's word. No promise,
	 *  since nothing goes on in a request that is over. */
	whenOver(run: (end: HedgeEnd) => void): void {
		this.#onEnd = run;
		this.#close();
	}

	#close(): void {
		const run = this.#onEnd;
		if (!run || this.#isAsking || this.#isLosing) return;
		this.#onEnd = null;
		run({ record: this.#record, hold: this.#hold, won: this.#record?.outcome === "won", lost: this.#lost });
	}

	#send(call: PoolCall, context: CallContext): void {
		this.#running.add(call);
		call.send(this.#admitted, context).then(
			(result) => {
				this.#running.delete(call);
				this.#results.push({ call, result });
				if (this.#isOver) return call.callOff();
				if (result.kind === "failed") this.#fail(call, result.failure);
				this.#look();
				return undefined;
			},
			(error: unknown) => this.#break(error),
		);
	}

	/** Its place is free at once, and its replica judged, though the other may be silent for minutes. */
	#fail(call: PoolCall, failure: Failure): void {
		endAttempt(this.#admitted, call.last({ failure }), "failed", noop);
		if (this.#running.size === 0) return;
		const { env } = this.#context;
		const { isolate } = this.#admitted;
		this.#ctx.waitUntil(isolate.post.flush(carriers(env, isolate.id, isolate.settings)));
	}

	/** Nothing more is sent: what is held of it while its answer lasts needs no prompt. */
	#end(): void {
		this.#isOver = true;
		this.#dueAt = Infinity;
		this.#admitted = withoutPrompt(this.#admitted);
	}

	/** A bug. */
	#break(error: unknown): void {
		this.#end();
		for (const call of this.#running) call.callOff();
		this.#race.reject(error);
	}

	/** Ends the race when somebody has won it, or nobody can any more. */
	#look(): void {
		if (this.#isOver) return;
		const answer = this.#results.find(({ result }) => result.kind !== "failed");
		if (!answer && (this.#running.size > 0 || this.#isAsking || this.#results.length === 0)) return;
		this.#end();
		const { call, result } = answer ?? this.#results[0]!;
		const second = this.#second;
		if (this.#record && second) {
			const outcome = answer && call === second ? "won" : this.#hasFailed(second) ? "failed" : "lost";
			this.#record = { ...this.#record, outcome };
		}
		for (const other of this.#running) this.#lose(other);
		this.#race.resolve({ call, result, calls: second ? [this.#first, second] : [this.#first] });
	}

	#hasFailed(call: PoolCall): boolean {
		return this.#results.some((each) => each.call === call && each.result.kind === "failed");
	}

	/** Its pool has worked on it: its prompt, or its time, is owed. */
	#lose(call: PoolCall): void {
		const attempt = call.last({ answered: true });
		this.#isLosing = true;
		endAttempt(this.#admitted, attempt, "client_gone", (share) => {
			const charge = chargeOf({
				outcome: "client_gone",
				pricing: call.replica.pool.pricing,
				usage: null,
				tokenEvents: 0,
				promptEstimate: call.choice.promptTokens,
				outputMax: this.#admitted.outputTokensMax,
				answered: true,
				seconds: attempt.seconds,
				share,
				reserved: call.hold.amount.nano,
			});
			this.#isLosing = false;
			this.#lost = { pool: call.replica.pool.id, charge };
			this.#close();
		});
		call.callOff();
	}

	async #ask(): Promise<void> {
		const { env } = this.#context;
		const asked = await askForHedge(this.#admitted, this.#first.choice, this.#exclude, env, this.#ctx);
		const now = steadyMs();
		if (!asked.ok) {
			const { reason, again, terms } = asked.error;
			this.#note("refused", null, reason, terms);
			this.#dueAt = again === null || this.#isOver ? Infinity : now + again * 1_000;
			return;
		}
		this.#dueAt = Infinity;
		this.#hold = asked.value.hold;
		this.#start(asked.value);
	}

	#start({ choice, replica, hold, terms }: Granted): void {
		// A first call that has failed meanwhile is made good by the second.
		if (this.#isOver) {
			this.#note("refused", replica.name, "answered", terms);
			return giveBack(this.#admitted, choice.scheduler, choice.reservation);
		}
		this.#note("lost", replica.name, null, terms);
		this.#second = new PoolCall(choice, replica, hold, true);
		// The request's own timer watches the first.
		this.#send(this.#second, { ...this.#context, timer: new RequestTimer() });
	}

	#note(
		outcome: HedgeRecord["outcome"],
		replica: string | null,
		refused: HedgeRecord["refused"],
		terms: HedgeRecord["terms"],
	): void {
		const after = Date.now() / 1_000 - this.#first.since;
		this.#record = { outcome, refused, replica, after_seconds: after, terms };
	}
}
