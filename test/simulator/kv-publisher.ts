import { setTimeout as sleep } from "node:timers/promises";
import type * as Zmq from "zeromq";
import type { Publisher, Router } from "zeromq";
import { KvEventLog } from "./kv-event-log.ts";
import type { KvEventsOptions } from "./options.ts";

const END_OF_REPLAY = -1n;
const BIND_TRIES = 50;

/** Publishes KV events over ZMQ as vLLM's `ZmqEventPublisher` does: `[topic, sequence, payload]`, 8 bytes of sequence that begin
 *  at 0 in each life, and a ROUTER that replays the last batches. Loads `zeromq` only when one is opened. */
export class KvPublisher {
	readonly #zmq: typeof Zmq;
	readonly #options: KvEventsOptions;
	#publisher: Publisher;
	#router: Router | null;
	#events: string;
	#replay: string | null;
	#buffer: { readonly seq: bigint; readonly payload: Uint8Array }[] = [];
	#seq = 0n;
	#lose = 0;
	/** Everything is done one after the other: a ZMQ socket bears one call at a time. */
	#work: Promise<void>;
	#lives = 0;
	#closed = false;

	private constructor(zmq: typeof Zmq, options: KvEventsOptions) {
		this.#zmq = zmq;
		this.#options = options;
		this.#events = options.endpoint ?? "tcp://127.0.0.1:0";
		this.#replay = options.replayEndpoint === undefined ? "tcp://127.0.0.1:0" : options.replayEndpoint;
		this.#publisher = this.#newPublisher();
		this.#router = this.#newRouter();
		this.#work = this.#bind();
	}

	/** Rejects when a port is taken. */
	static async open(options: KvEventsOptions): Promise<KvPublisher> {
		const publisher = new KvPublisher(await import("zeromq"), options);
		await publisher.#work;
		return publisher;
	}

	get endpoint(): string {
		return this.#events;
	}

	get replayEndpoint(): string | null {
		return this.#replay;
	}

	/** Batches published in this life. */
	get published(): number {
		return Number(this.#seq);
	}

	/** The next batches reach nobody who listens; they can be replayed. */
	lose(batches: number): void {
		this.#lose += batches;
	}

	/** Begins a life of the engine; its log is for the new prefix cache. Sockets are closed and bound to the same ports again. */
	begin(): KvEventLog {
		const life = ++this.#lives;
		if (life > 1) this.#work = this.#work.then(() => this.#restart());
		return new KvEventLog(this.#options.encoding ?? "arrays", (payload) => {
			// A process that was replaced may still finish requests; nobody hears of it.
			if (life === this.#lives) this.#work = this.#work.then(() => this.#send(payload));
		});
	}

	async close(): Promise<void> {
		this.#closed = true;
		await this.#work;
		this.#publisher.close();
		this.#router?.close();
	}

	async #restart(): Promise<void> {
		this.#seq = 0n;
		this.#buffer = [];
		this.#publisher.close();
		this.#router?.close();
		if (this.#closed) return;
		this.#publisher = this.#newPublisher();
		this.#router = this.#newRouter();
		await this.#bind();
	}

	async #send(payload: Uint8Array): Promise<void> {
		if (this.#closed) return;
		const seq = this.#seq++;
		if (this.#lose > 0) this.#lose--;
		else await this.#publisher.send([this.#options.topic ?? "", sequence(seq), payload]);
		this.#buffer.push({ seq, payload });
		if (this.#buffer.length > (this.#options.bufferSteps ?? 10_000)) this.#buffer.shift();
	}

	async #replayTo(router: Router, client: Buffer, start: bigint): Promise<void> {
		if (router.closed) return;
		for (const { seq, payload } of this.#buffer) {
			if (seq >= start) await router.send([client, "", sequence(seq), payload]);
		}
		await router.send([client, "", sequence(END_OF_REPLAY), ""]);
	}

	#newPublisher(): Publisher {
		return new this.#zmq.Publisher({ linger: 0, sendHighWaterMark: 100_000 });
	}

	#newRouter(): Router | null {
		return this.#replay === null ? null : new this.#zmq.Router({ linger: 0, sendHighWaterMark: 100_000 });
	}

	async #bind(): Promise<void> {
		await bindTo(this.#publisher, this.#events);
		this.#events = this.#publisher.lastEndpoint ?? this.#events;
		if (!this.#router || this.#replay === null) return;
		await bindTo(this.#router, this.#replay);
		this.#replay = this.#router.lastEndpoint;
		void this.#serve(this.#router);
	}

	async #serve(router: Router): Promise<void> {
		try {
			for await (const [client, , from] of router) {
				if (!client || from?.length !== 8) continue;
				const start = from.readBigUInt64BE();
				// After what is being sent, as in vLLM, whose one thread does both.
				this.#work = this.#work.then(() => this.#replayTo(router, client, start));
			}
		} catch (error) {
			if (!router.closed) throw error;
		}
	}
}

function sequence(seq: bigint): Buffer {
	const bytes = Buffer.alloc(8);
	bytes.writeBigInt64BE(seq);
	return bytes;
}

/** A port that was closed a moment ago may still be taken. */
async function bindTo(socket: Publisher | Router, endpoint: string): Promise<void> {
	for (let tries = 1; ; tries++) {
		try {
			await socket.bind(endpoint);
			return;
		} catch (error) {
			if (tries === BIND_TRIES) throw error;
			await sleep(20);
		}
	}
}
