import type { EventQueue } from "../lib/event-queue.ts";
import { Engine, type Sequence } from "../replay/engine/engine.ts";
import type { TraceRequest } from "../replay/trace.ts";
import type { PoolSpec } from "./fleet.ts";

export type BoxState = "cold" | "waking" | "warm";

export interface BoxEvents {
	/** Seconds of a start that begins now. */
	startSeconds(): number;
	onFirst(id: number, now: number): void;
	onEnd(id: number, now: number): void;
	/** It has become warm, or cold. */
	onChange?(state: BoxState): void;
}

interface Parked {
	readonly id: number;
	readonly request: TraceRequest;
}

/** From when until when. */
export type Span = readonly [from: number, to: number];

/** The one worker of a pool: it starts when it is asked for anything, serves what it was sent, and is gone when nobody has asked
 *  for `idleTimeout` seconds. It is paid for from the beginning of a start until it is gone. */
export class Box {
	readonly spec: PoolSpec;
	readonly index: number;
	readonly #clock: EventQueue;
	readonly #events: BoxEvents;
	readonly #engine: Engine;
	readonly #parked: Parked[] = [];
	#state: BoxState;
	#planned = Infinity;
	#idleSince = 0;
	#timeout: number;
	/** Of the timer that counts. */
	#timer = 0;
	#upSince = 0;
	#readyAt = 0;
	inFlight = 0;
	/** Tokens of prompts whose first token has not come. */
	pendingTokens = 0;
	starts = 0;
	/** Paid for, and of these, those in which it started, and those in which it was warm and had nothing to do. */
	readonly ups: Span[] = [];
	readonly boots: Span[] = [];
	readonly idles: Span[] = [];

	constructor(spec: PoolSpec, index: number, clock: EventQueue, events: BoxEvents) {
		this.spec = spec;
		this.index = index;
		this.#clock = clock;
		this.#events = events;
		this.#timeout = spec.zero ? spec.zero.idleSeconds : Infinity;
		this.#state = spec.zero ? "cold" : "warm";
		this.#engine = new Engine(spec.engine, 0, {
			onFirst: ({ id, request }: Sequence, now: number) => {
				this.pendingTokens -= request.input;
				events.onFirst(id, now);
			},
			onEnd: ({ id }: Sequence, now: number) => {
				this.inFlight--;
				if (this.inFlight === 0) this.#becomeIdle(now);
				events.onEnd(id, now);
			},
		});
	}

	get state(): BoxState {
		return this.#state;
	}

	/** When the last start began. */
	get wakingSince(): number {
		return this.#upSince;
	}

	/** Since when it has had nothing to do; only while that is so. */
	get idleSince(): number {
		return this.#idleSince;
	}

	/** Seconds without a request after which it is gone. */
	set idleTimeout(seconds: number) {
		if (!this.spec.zero) return;
		this.#timeout = seconds;
		this.#watchIdle();
	}

	/** A request comes. False where it is answered that nobody is there yet: it has only started the box. */
	take(id: number, request: TraceRequest): boolean {
		const refused = this.#state !== "warm" && this.spec.zero?.refuses === true;
		if (this.#state === "cold") this.wake();
		if (refused) return false;
		if (this.inFlight === 0 && this.#state === "warm") this.idles.push([this.#idleSince, this.#clock.now]);
		this.inFlight++;
		this.pendingTokens += request.input;
		if (this.#state === "warm") this.#feed({ id, request });
		else this.#parked.push({ id, request });
		return true;
	}

	/** Starts it, if it is cold. */
	wake(): void {
		if (this.#state !== "cold") return;
		this.starts++;
		this.#upSince = this.#clock.now;
		this.#readyAt = this.#clock.now + this.#events.startSeconds();
		this.#move("waking");
		this.#clock.schedule(this.#readyAt, () => this.#ready());
	}

	/** As a request would, keeps an idle box for another `idleTimeout` seconds. */
	touch(): void {
		if (this.#state !== "warm" || this.inFlight > 0) return;
		this.idles.push([this.#idleSince, this.#clock.now]);
		this.#becomeIdle(this.#clock.now);
	}

	/** Stops it, if it is warm and has nothing to do. */
	letGo(): void {
		if (this.#state !== "warm" || this.inFlight > 0 || !this.spec.zero) return;
		this.idles.push([this.#idleSince, this.#clock.now]);
		this.ups.push([this.#upSince, this.#clock.now]);
		this.#move("cold");
	}

	/** The replay is over. */
	close(now: number): void {
		if (this.#state === "waking") this.boots.push([this.#upSince, now]);
		if (this.#state === "warm" && this.inFlight === 0) this.idles.push([this.#idleSince, now]);
		if (this.#state !== "cold") this.ups.push([this.#upSince, now]);
	}

	#ready(): void {
		this.boots.push([this.#upSince, this.#readyAt]);
		this.#move("warm");
		for (const parked of this.#parked.splice(0)) this.#feed(parked);
		if (this.inFlight === 0) this.#becomeIdle(this.#clock.now);
	}

	#feed({ id, request }: Parked): void {
		this.#clock.schedule(this.#clock.now + this.spec.engine.overheadSeconds, () => {
			this.#engine.enqueue(request, id, this.#clock.now);
			this.#plan();
		});
	}

	#plan(): void {
		const { due } = this.#engine;
		if (due === this.#planned) return;
		this.#planned = due;
		if (due === Infinity) return;
		this.#clock.schedule(due, () => {
			// Replaced by an earlier one.
			if (this.#planned !== due) return;
			this.#planned = Infinity;
			this.#engine.advance();
			this.#plan();
		});
	}

	#becomeIdle(now: number): void {
		this.#idleSince = now;
		this.#watchIdle();
	}

	#watchIdle(): void {
		const timer = ++this.#timer;
		if (this.#state !== "warm" || this.inFlight > 0 || this.#timeout === Infinity) return;
		this.#clock.schedule(this.#idleSince + this.#timeout, () => {
			if (timer === this.#timer && this.inFlight === 0) this.letGo();
		});
	}

	#move(state: BoxState): void {
		this.#state = state;
		this.#events.onChange?.(state);
	}
}
