import type { Counts } from "./counts.ts";
import { Delivery, type DeliveryOptions, type Taken } from "./delivery.ts";
import type { Engine } from "./engine.ts";
import { FrameBuffer, type BufferLimits } from "./frame-buffer.ts";
import type { Frame } from "./frame.ts";
import type { Gateway } from "./gateway.ts";

export interface ForwarderOptions extends DeliveryOptions {
	/** Kept while the gateway cannot be reached. */
	readonly buffer: BufferLimits;
	/** Sent at once. */
	readonly request: BufferLimits;
	/** How long frames are gathered before they are sent. */
	readonly lingerSeconds: number;
	/** How long a stop may take to send what is left. */
	readonly drainSeconds: number;
}

/** Carries the frames of one publisher to the gateway, in order. The gateway keeps where the sequence stands, so nothing is kept
 *  here: after any interruption it says what it lacks, and the engine's replay endpoint has it. */
export class Forwarder {
	readonly #engine: Engine;
	readonly #options: ForwarderOptions;
	readonly #buffer: FrameBuffer;
	readonly #delivery: Delivery;
	readonly #counts: Counts = { received: 0, sent: 0, replayed: 0, gaps: 0, resets: 0, rejected: 0, retries: 0 };
	#wake: () => void = () => {};
	/** The engine was connected to since: it may be in another life. */
	#connected = false;
	#lost = false;
	#stopping = false;

	constructor(engine: Engine, gateway: Gateway, options: ForwarderOptions) {
		this.#engine = engine;
		this.#options = options;
		this.#buffer = new FrameBuffer(options.buffer);
		this.#delivery = new Delivery(gateway, this.#counts, options);
	}

	/** `dropped`: frames for which the buffer had no room; `waiting`: those in it. */
	get counts(): Readonly<Counts & { dropped: number; waiting: number }> {
		return { ...this.#counts, dropped: this.#buffer.dropped, waiting: this.#buffer.length };
	}

	/** Runs until `stop`. Rejects when the engine's sockets cannot be used at all. */
	async run(): Promise<void> {
		const listening = this.#engine.listen(
			(frame) => {
				this.#counts.received++;
				this.#buffer.push(frame);
				this.#wake();
			},
			() => {
				this.#connected = true;
				// They may be of a life that is over, whose numbers go on where those of the new one end. Where they are of the same life
				// a replay brings them back; without one the gateway begins anew, and learns of those blocks when they are stored again.
				this.#options.log("connected", { discarded: this.#buffer.clear() });
				this.#wake();
			},
		);
		await Promise.all([listening, this.#forward()]);
	}

	/** Takes in nothing more, sends what is there while `drainSeconds` last, and ends `run`. */
	stop(): void {
		if (this.#stopping) return;
		this.#stopping = true;
		this.#engine.close();
		this.#delivery.endAt(performance.now() + this.#options.drainSeconds * 1_000);
		this.#wake();
	}

	async #forward(): Promise<void> {
		while (!this.#delivery.isOver) {
			if (this.#connected) {
				this.#connected = false;
				// Its oldest frame shows whether the engine is still in the life that the gateway knows.
				if (!(await this.#replay(0))) this.#lost = true;
			} else if (this.#buffer.length > 0) await this.#send(this.#take());
			else if (this.#stopping) return;
			else await this.#somethingToDo();
		}
	}

	async #send(frames: readonly Frame[]): Promise<void> {
		const answer = await this.#delivery.send(frames);
		if (answer === null || answer.replayFrom === null) return;
		this.#counts.gaps++;
		this.#options.log("gap", { from: answer.replayFrom });
		// The replay has what was sent as well.
		if (!(await this.#replay(answer.replayFrom))) await this.#sendRest(frames, answer);
	}

	/** What is missing cannot be had: the gateway forgets what it knows and goes on with what it has not used. */
	async #sendRest(frames: readonly Frame[], answer: Taken): Promise<Taken | null> {
		let rest = frames;
		let last: Taken | null = answer;
		while (last !== null && last.replayFrom !== null) {
			rest = rest.slice(last.used);
			const [first, ...others] = rest;
			if (!first) return last;
			last = await this.#delivery.send([{ ...first, lost: true }, ...others]);
			// A frame that is marked so is always used; if not, it is not asked a second time.
			if (last?.used === 0) rest = others;
		}
		return last;
	}

	/** Sends what the engine still has from `from` on, but not what the gateway has; false: it has nothing, or no replay endpoint.
	 *  `again`: the replay before this one has shown that the engine is in another life. */
	async #replay(from: number, again = false): Promise<boolean> {
		const frames = this.#engine.replay(from);
		if (frames === null) return false;
		let list: Frame[] = [];
		let next = from;
		let found = 0;
		const flush = async (): Promise<boolean> => {
			const sent = list;
			list = [];
			const answer = await this.#delivery.send(sent);
			if (answer?.replayFrom != null && answer.resets > 0 && !again) return false;
			const last = answer && (await this.#sendRest(sent, answer));
			this.#counts.replayed += sent.length;
			next = last?.next ?? next;
			return true;
		};
		for await (const frame of frames) {
			if (this.#delivery.isOver) return true;
			if (frame.seq < next) continue;
			list.push(frame);
			// The first goes alone: after it the gateway says what it lacks.
			if (found++ > 0 && list.length < this.#options.request.framesMax) continue;
			if (!(await flush())) return this.#replay(0, true);
		}
		if (list.length > 0 && !(await flush())) return this.#replay(0, true);
		return found > 0;
	}

	#take(): Frame[] {
		const frames = this.#buffer.take(this.#options.request);
		const [first, ...others] = frames;
		const lost = this.#delivery.takeLost() || this.#lost;
		this.#lost = false;
		return first && lost ? [{ ...first, lost: true }, ...others] : frames;
	}

	async #somethingToDo(): Promise<void> {
		await new Promise<void>((resolve) => (this.#wake = resolve));
		this.#wake = () => {};
		if (!this.#stopping) await new Promise((resolve) => setTimeout(resolve, this.#options.lingerSeconds * 1_000));
	}
}
