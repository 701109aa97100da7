import { sleep, type Transport } from "./transport.ts";

const OPEN_SECONDS = 10;
/** A socket whose pings are not answered for so long is taken for dead. */
const PING_SECONDS = 25;
const REOPEN_SECONDS = 60;

/** A WebSocket that says when to ask for a task. It may break at any time: then tasks are asked for by themselves. */
export class WakeSocket {
	readonly #transport: Transport;
	#socket: WebSocket | null = null;
	#triedAt = -Infinity;
	#hasNews = false;
	#heardAt = 0;
	#wake: () => void = () => {};

	constructor(transport: Transport) {
		this.#transport = transport;
	}

	/** What was said before is known. */
	forget(): void {
		this.#hasNews = false;
	}

	/** Resolves to true when there is news, or it is worth asking; to false at once where there is no socket. */
	async wait(seconds: number, signal: AbortSignal): Promise<boolean> {
		if (!(await this.#open())) return false;
		const until = performance.now() + seconds * 1_000;
		while (this.#socket && !this.#hasNews) {
			const left = (until - performance.now()) / 1_000;
			if (left <= 0) return true;
			if (performance.now() - this.#heardAt > 2 * PING_SECONDS * 1_000) this.close();
			else this.#socket.send("ping");
			await this.#pause(Math.min(left, PING_SECONDS), signal);
		}
		return true;
	}

	close(): void {
		this.#socket?.close();
		this.#socket = null;
	}

	/** Until the socket has something to say, but no longer. */
	async #pause(seconds: number, signal: AbortSignal): Promise<void> {
		const woken = new AbortController();
		this.#wake = () => woken.abort();
		await sleep(seconds, AbortSignal.any([woken.signal, signal])).catch(() => {});
		signal.throwIfAborted();
	}

	async #open(): Promise<boolean> {
		if (this.#socket) return true;
		const now = performance.now();
		if (typeof WebSocket === "undefined" || now - this.#triedAt < REOPEN_SECONDS * 1_000) return false;
		this.#triedAt = now;
		const answer = await this.#transport.json({ method: "POST", path: "/tickets" });
		const { ticket } = answer as { readonly ticket: string };
		const url = `${this.#transport.url.replace(/^http/, "ws")}/socket?ticket=${encodeURIComponent(ticket)}`;
		const socket = new WebSocket(url);
		// At once: the run speaks first.
		socket.addEventListener("message", ({ data }) => this.#hear(String(data)));
		if (!(await isOpened(socket))) {
			socket.close();
			return false;
		}
		socket.addEventListener("close", () => {
			if (this.#socket === socket) this.#socket = null;
			this.#wake();
		});
		this.#heardAt = performance.now();
		this.#socket = socket;
		return true;
	}

	#hear(text: string): void {
		this.#heardAt = performance.now();
		if (text === "pong") return;
		const { type, task, reason } = JSON.parse(text) as { type?: unknown; task?: unknown; reason?: unknown };
		if (type !== "task" || (task === null && reason !== "run_closed" && reason !== "expelled")) return;
		this.#hasNews = true;
		this.#wake();
	}
}

function isOpened(socket: WebSocket): Promise<boolean> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => end(false), OPEN_SECONDS * 1_000);
		function end(isOpen: boolean): void {
			clearTimeout(timer);
			resolve(isOpen);
		}
		socket.addEventListener("open", () => end(true), { once: true });
		socket.addEventListener("error", () => end(false), { once: true });
		socket.addEventListener("close", () => end(false), { once: true });
	});
}
