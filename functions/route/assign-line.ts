import type { AssignReply, AssignRequest, Bill, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { Mailbox, Parcel } from "./mailbox.ts";
import { steadyMs } from "./steady-clock.ts";

/** How a request reaches the scheduler, also for others: a stub belongs to the request that made it. */
export interface Carrier {
	call(
		requests: readonly AssignRequest[],
		mail: SchedulerMail,
	): Promise<{ readonly replies: readonly (AssignReply | null)[]; readonly bills: readonly Bill[] }>;
	/** Keeps the request there while others wait for its call. */
	waitUntil(call: Promise<void>): void;
	/** By `steadyMs`. After that it makes no more calls of which it is no part: the platform ends it some time after its answer. */
	readonly until: number;
}

/** A request in a line. It must have a timer of its own: the answer may come from another request, which the runtime may end. */
export interface Seat {
	/** Rejects when the call fails that it is part of, or the scheduler fails on this very request. */
	readonly reply: Promise<AssignReply>;
	/** It waits no longer. The scheduler may have heard of it, or may yet. */
	abandon(): void;
}

interface Ask {
	readonly request: AssignRequest;
	readonly resolve: (reply: AssignReply) => void;
	readonly reject: (error: unknown) => void;
	/** The call that it is part of; null before that. */
	call: Call | null;
}

interface Call {
	readonly parcel: Parcel;
	/** Its mail was delivered, or goes out again. */
	isOver: boolean;
}

/** A request waits no longer than this for others to go with. */
const HOLD_MS = 8;
/** Calls that are not back after this were made by requests that the runtime has ended without a word. */
const GONE_MS = 10_000;

/** What the requests of one isolate ask one scheduler, in few calls: a call costs as much as a quarter of a small request, whatever
 *  is in it. The first goes at once; who comes while its call is out goes with all others that came when it is back, or a few
 *  milliseconds later. So nobody waits in a quiet isolate, nor for a scheduler far away. */
export class AssignLine {
	readonly #box: Mailbox;
	readonly #renewEvery: Seconds;
	readonly #togetherMax: number;
	#waiting: Ask[] = [];
	readonly #out = new Set<Call>();
	#leftAt = -Infinity;

	/** What `box` holds goes along with each call, of so many requests at most. */
	constructor(box: Mailbox, settings: Pick<Settings, "renewSeconds" | "assignTogetherMax">) {
		this.#box = box;
		this.#renewEvery = settings.renewSeconds;
		this.#togetherMax = settings.assignTogetherMax;
	}

	ask(request: AssignRequest, carrier: Carrier): Seat {
		const { promise, resolve, reject } = Promise.withResolvers<AssignReply>();
		const ask: Ask = { request, resolve, reject, call: null };
		this.#waiting.push(ask);
		const since = steadyMs() - this.#leftAt;
		if (since >= GONE_MS) for (const call of this.#out) this.#lost(call);
		if (this.#out.size === 0 || since >= HOLD_MS || this.#togetherMax === 1) void this.#depart(carrier);
		// A carrier that the runtime has ended comes back with nobody's answer, and takes nobody along.
		else if (this.#waiting.length === 1) setTimeout(() => ask.call ?? this.#depart(carrier), HOLD_MS);
		return { reply: promise, abandon: () => this.#abandon(ask) };
	}

	/** Sends all who wait. */
	async #depart(carrier: Carrier): Promise<void> {
		const calls: Promise<void>[] = [];
		while (this.#waiting.length > 0) calls.push(this.#call(this.#waiting.splice(0, this.#togetherMax), carrier));
		await Promise.all(calls);
	}

	async #call(asks: readonly Ask[], carrier: Carrier): Promise<void> {
		const parcel = this.#box.take(Date.now() / 1_000, this.#renewEvery);
		const call: Call = { parcel, isOver: false };
		for (const ask of asks) ask.call = call;
		this.#out.add(call);
		this.#leftAt = steadyMs();
		try {
			const requests = asks.map(({ request }) => request);
			const { replies, bills } = await carrier.call(requests, parcel.mail);
			if (this.#over(call)) parcel.delivered(bills);
			for (const [i, { resolve, reject }] of asks.entries()) {
				const reply = replies[i];
				if (reply) resolve(reply);
				else reject(new Error("the scheduler failed on this request"));
			}
		} catch (error) {
			this.#lost(call);
			for (const { reject } of asks) reject(error);
		}
		if (this.#waiting.length > 0 && steadyMs() < carrier.until) carrier.waitUntil(this.#depart(carrier));
	}

	#abandon(ask: Ask): void {
		if (ask.call) return this.#lost(ask.call);
		const at = this.#waiting.indexOf(ask);
		if (at >= 0) this.#waiting.splice(at, 1);
	}

	/** The mail goes out again. Others may still get an answer. */
	#lost(call: Call): void {
		if (this.#over(call)) call.parcel.lost();
	}

	/** False where it was over before. */
	#over(call: Call): boolean {
		this.#out.delete(call);
		if (call.isOver) return false;
		return (call.isOver = true);
	}
}
