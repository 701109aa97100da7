import type { OnEvent } from "./events.ts";
import { ClientError } from "./errors.ts";
import { readTaskAnswer, type Task } from "./messages.ts";
import type { Transport } from "./transport.ts";
import { WakeSocket } from "./wake-socket.ts";

const WAIT_SECONDS = 30;
/** A socket may miss something; so often the run is asked in any case. */
const ASK_SECONDS = 120;

/** Asks for work until there is some. */
export class Tasks {
	readonly #transport: Transport;
	readonly #socket: WakeSocket | null;
	readonly #onEvent: OnEvent;

	constructor(transport: Transport, hasSocket: boolean, onEvent: OnEvent) {
		this.#transport = transport;
		this.#socket = hasSocket ? new WakeSocket(transport) : null;
		this.#onEvent = onEvent;
	}

	/** The next task; null when the run has ended. `loss` is the client's, for runs that select by it. */
	async next(loss: number | null): Promise<Task | null> {
		for (let wait = 0, told = ""; ;) {
			this.#socket?.forget();
			const query = loss === null ? "" : `&loss=${loss}`;
			const answer = await this.#transport.json({ method: "GET", path: `/task?wait=${wait}${query}` });
			const read = readTaskAnswer(answer);
			if (read.task) return read.task;
			if (read.reason === "run_closed") return null;
			if (read.reason === "expelled") throw new ClientError("expelled", "this client was expelled from the run");
			if (read.reason !== told) this.#onEvent({ type: "waiting", reason: read.reason, retryAt: read.retry_at });
			told = read.reason;
			const untilRetry = read.retry_at === null ? ASK_SECONDS : Math.max(0.5, read.retry_at - Date.now() / 1_000);
			const hasSocket = await this.#socket?.wait(Math.min(ASK_SECONDS, untilRetry), this.#transport.signal);
			wait = hasSocket ? 0 : WAIT_SECONDS;
		}
	}

	close(): void {
		this.#socket?.close();
	}
}
