import { Mailbox } from "../../../functions/route/mailbox.ts";
import { fallbackRank, hash32 } from "../../../src/shared/admission/fallback.ts";
import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import type { AssignRequest, SchedulerMail } from "../../../src/shared/scheduler/messages.ts";
import type { KeyPolicy } from "../policies/isobar.ts";
import type { EventQueue } from "../../lib/event-queue.ts";
import { replicaIndex } from "../fleet.ts";
import type { Answer } from "../simulate.ts";
import type { TraceRequest } from "../trace.ts";
import { assignRequestOf } from "./assign-request.ts";
import { SETTINGS, type SchedulerObject } from "./scheduler-object.ts";

/** How an isolate reaches the scheduler object. */
export interface Way {
	/** Seconds there and back, drawn for each call. */
	roundTrip(): number;
	/** Whether a call that is made now arrives at all. */
	isUp(now: number): boolean;
}

export interface IsolateOptions {
	readonly clock: EventQueue;
	readonly model: CatalogModel;
	readonly object: SchedulerObject;
	readonly way: Way;
	/** Names the place. */
	readonly edge: string;
	readonly policy: KeyPolicy;
}

interface Sent {
	readonly name: string;
	/** The fallback decided. */
	readonly alone: boolean;
	readonly request: AssignRequest;
}

/** What one edge place does, by the production mailbox and fallback: asks the object, goes on without it after its deadline,
 *  and tells it what became of its requests. */
export class Isolate {
	readonly #options: IsolateOptions;
	readonly #clock: EventQueue;
	readonly #mailbox = new Mailbox(0, Infinity);
	readonly #sent = new Map<number, Sent>();
	readonly #inFlight = new Map<string, number>();
	#flushing = false;
	#renewing = false;

	constructor(options: IsolateOptions) {
		this.#options = options;
		this.#clock = options.clock;
	}

	route(id: number, request: TraceRequest, send: (replica: number) => void): void {
		const asked = assignRequestOf(id, request, this.#options);
		let decided = false;
		const go = (name: string, alone: boolean, promptTokens: number, outputTokens: number): void => {
			if (decided) return;
			decided = true;
			this.#depart(id, { name, alone, request: asked }, promptTokens, outputTokens);
			send(replicaIndex(name));
		};
		const parcel = this.#mailbox.take(this.#clock.now, SETTINGS.renewSeconds);
		const deadline = (): void => {
			if (decided) return;
			go(this.#fallback(asked, request), true, request.input, asked.outputTokensMax);
		};
		if (!this.#options.way.isUp(this.#clock.now)) {
			parcel.lost();
			this.#after(SETTINGS.schedulerDeadlineSeconds, deadline);
			return;
		}
		const roundTrip = this.#options.way.roundTrip();
		const late = roundTrip > SETTINGS.schedulerDeadlineSeconds;
		this.#after(roundTrip / 2, () => {
			const bills = this.#options.object.mail(parcel.mail, this.#clock.now);
			const reply = this.#options.object.assign(asked, this.#clock.now);
			// The fallback's answer may have ended before a call that is very late comes there.
			if (reply.kind !== "assigned" && !decided) {
				throw new Error(
					`The scheduler assigned nothing: ${reply.kind === "refused" ? reply.error.message : reply.kind}`,
				);
			}
			this.#after(roundTrip / 2, () => {
				// What came too late may have been lost for all that the isolate knows.
				if (late) return parcel.lost();
				parcel.delivered(bills);
				if (reply.kind === "assigned") go(reply.ranked[0]!.replica, false, reply.promptTokens, reply.outputTokens);
			});
		});
		if (late) this.#after(SETTINGS.schedulerDeadlineSeconds, deadline);
	}

	onFirst({ id, firstAt, sentAt }: Answer): void {
		this.#mailbox.firstToken({ reservation: `r${id}`, ttft: firstAt - sentAt, headers: null });
		this.#flushSoon();
	}

	onEnd({ id, request, firstAt, sentAt, cached }: Answer): void {
		const { name, alone } = this.#sent.get(id)!;
		this.#sent.delete(id);
		this.#inFlight.set(name, this.#inFlight.get(name)! - 1);
		this.#mailbox.ended(
			{
				reservation: `r${id}`,
				...(alone && { replica: name }),
				outcome: "ok",
				ttft: firstAt - sentAt,
				seconds: this.#clock.now - sentAt,
				promptTokens: request.input,
				cachedTokens: cached,
				outputTokens: request.output,
			},
			() => {},
		);
		this.#flushSoon();
	}

	#depart(id: number, sent: Sent, promptTokens: number, outputTokens: number): void {
		const { name, request } = sent;
		this.#sent.set(id, sent);
		this.#inFlight.set(name, (this.#inFlight.get(name) ?? 0) + 1);
		const { reservation, tenant, key } = request;
		const renewal = { reservation, replica: name, tenant, key, promptTokens, outputTokens };
		this.#mailbox.depart({ renewal, since: this.#clock.now, started: false });
		this.#renewLater();
	}

	#fallback(asked: AssignRequest, { conversation }: TraceRequest): string {
		const view = { inFlight: (name: string) => this.#inFlight.get(name) ?? 0, isSuspect: () => false };
		const [first] = fallbackRank(this.#options.model, asked, hash32(`${conversation}`), view);
		return first!.replica;
	}

	#flushSoon(): void {
		if (this.#flushing) return;
		this.#flushing = true;
		this.#after(this.#options.way.roundTrip() === 0 ? 0 : SETTINGS.flushSeconds, () => {
			this.#flushing = false;
			this.#flush();
		});
	}

	#renewLater(): void {
		if (this.#renewing) return;
		this.#renewing = true;
		this.#after(SETTINGS.renewSeconds, () => {
			this.#renewing = false;
			this.#flush();
			if (this.#mailbox.inFlight > 0) this.#renewLater();
		});
	}

	#flush(): void {
		const parcel = this.#mailbox.take(this.#clock.now, SETTINGS.renewSeconds * 0.9);
		const { first, ended, renewals }: SchedulerMail = parcel.mail;
		if (first.length + ended.length + renewals.length === 0) return;
		if (!this.#options.way.isUp(this.#clock.now)) return parcel.lost();
		this.#after(this.#options.way.roundTrip() / 2, () => {
			parcel.delivered(this.#options.object.mail(parcel.mail, this.#clock.now));
		});
	}

	/** At once when there is nothing to wait for. */
	#after(seconds: number, run: () => void): void {
		if (seconds === 0) run();
		else this.#clock.schedule(this.#clock.now + seconds, run);
	}
}
