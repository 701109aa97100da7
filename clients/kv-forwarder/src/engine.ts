import { Dealer, Subscriber } from "zeromq";
import { readSequence, writeSequence, type Frame } from "./frame.ts";

/** What an engine publishes. */
export interface Engine {
	/** Calls back for every frame, and whenever the engine was connected to (anew): it may have restarted. Ends with `close`. */
	listen(onFrame: (frame: Frame) => void, onConnected: () => void): Promise<void>;
	/** The frames from `from` on that the engine still has, in order; null: it has no replay endpoint. Ends early, without an
	 *  error, when the engine says nothing for a while. */
	replay(from: number): AsyncIterable<Frame> | null;
	close(): void;
}

export interface EngineOptions {
	/** ZMQ endpoint of the engine's PUB socket. One with `*` is bound: the engine connects. */
	readonly events: string;
	/** Of its replay ROUTER, if it has one. */
	readonly replay: string | null;
	/** Prefix of the topics to listen to. */
	readonly topic: string;
	/** How long a replay may be silent. */
	readonly replaySeconds: number;
}

const END_OF_REPLAY = -1;

/** An engine over ZMQ, as vLLM and SGLang publish: frames `[topic, sequence, payload]`; a replay is asked for with `["",
 *  sequence]` and comes as `["", sequence, payload]` until sequence -1. */
export class ZmqEngine implements Engine {
	readonly #options: EngineOptions;
	readonly #socket: Subscriber;

	constructor(options: EngineOptions) {
		this.#options = options;
		// As many as the engine keeps: what does not fit is dropped by ZMQ, seen as a gap and replayed.
		this.#socket = new Subscriber({ receiveHighWaterMark: 100_000, linger: 0 });
	}

	async listen(onFrame: (frame: Frame) => void, onConnected: () => void): Promise<void> {
		const socket = this.#socket;
		const { events, topic } = this.#options;
		socket.events.on("handshake", onConnected);
		socket.subscribe(topic);
		if (events.includes("*")) await socket.bind(events);
		else socket.connect(events);
		for await (const [, sequence, payload] of socket) {
			const seq = sequence && readSequence(sequence);
			// Another protocol on this port: nothing that could be asked for again.
			if (seq === null || seq === undefined || seq < 0 || !payload) continue;
			onFrame({ seq, payload, lost: false });
		}
	}

	replay(from: number): AsyncIterable<Frame> | null {
		const { replay, replaySeconds } = this.#options;
		return replay === null ? null : replayed(replay, from, replaySeconds);
	}

	close(): void {
		this.#socket.close();
	}
}

async function* replayed(endpoint: string, from: number, seconds: number): AsyncGenerator<Frame> {
	const wait = { receiveTimeout: seconds * 1_000, sendTimeout: seconds * 1_000, linger: 0 };
	// A ROUTER drops what a slow reader does not take, so all of it is taken at once; the engine's buffer bounds it.
	const socket = new Dealer({ ...wait, receiveHighWaterMark: 0 });
	try {
		socket.connect(endpoint);
		await socket.send(["", writeSequence(from)]);
		for (;;) {
			const [, sequence, payload] = await socket.receive();
			const seq = sequence && readSequence(sequence);
			if (seq === null || seq === undefined || seq === END_OF_REPLAY || !payload) return;
			yield { seq, payload, lost: false };
		}
	} catch (error) {
		// ZMQ's time-out.
		if ((error as { code?: string }).code !== "EAGAIN") throw error;
	} finally {
		socket.close();
	}
}
