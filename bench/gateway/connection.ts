import { connect, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.ts";
import { fault, type Expectation } from "./expectation.ts";

/** One request at a time over one keep-alive connection, always the same bytes. A connection that breaks is opened anew for
 *  the next request. */
export class Connection {
	readonly #host: string;
	readonly #port: number;
	readonly #request: Buffer;
	readonly #expected: Expectation;
	readonly #done: (connection: Connection, problem: string | null) => void;
	#socket: Socket | null = null;
	#reader = new AnswerReader();
	#waiting = false;
	/** When the request under way was due, for whoever wants to know. */
	dueAt = 0;

	/** `done` is called at the end of each request, with what was wrong with the answer. */
	constructor(
		url: URL,
		request: Buffer,
		expected: Expectation,
		done: (connection: Connection, problem: string | null) => void,
	) {
		this.#host = url.hostname;
		this.#port = Number(url.port);
		this.#request = request;
		this.#expected = expected;
		this.#done = done;
	}

	send(): void {
		this.#waiting = true;
		this.#socket ??= this.#open();
		this.#socket.write(this.#request);
	}

	close(): void {
		this.#waiting = false;
		this.#socket?.destroy();
	}

	#open(): Socket {
		const socket = connect(this.#port, this.#host);
		socket.setNoDelay(true);
		this.#reader = new AnswerReader();
		socket.on("data", (data) => this.#read(socket, data));
		socket.on("error", (error) => this.#lost(socket, error.message));
		socket.on("close", () => this.#lost(socket, "the connection was closed"));
		return socket;
	}

	#read(socket: Socket, data: Buffer): void {
		try {
			const answer = this.#reader.push(data);
			if (answer) this.#end(fault(answer, this.#expected));
		} catch (error) {
			socket.destroy();
			this.#lost(socket, error instanceof Error ? error.message : String(error));
		}
	}

	#lost(socket: Socket, why: string): void {
		if (this.#socket !== socket) return;
		this.#socket = null;
		if (this.#waiting) this.#end(why);
	}

	#end(problem: string | null): void {
		this.#waiting = false;
		this.#done(this, problem);
	}
}

/** The bytes of a POST with these headers and body. */
export function requestBytes(url: URL, headers: Readonly<Record<string, string>>, body: string): Buffer {
	const lines = Object.entries({
		host: url.host,
		...headers,
		"content-type": "application/json",
		"content-length": String(Buffer.byteLength(body)),
	}).map(([name, value]) => `${name}: ${value}\r\n`);
	return Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}
