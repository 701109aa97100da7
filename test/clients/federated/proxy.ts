import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a request: it passes; it is never answered; its connection breaks before it is sent on (`refuse`), after its
 *  answer was made and lost (`lose`), or after so many bytes of the answer (`cut`); bits of the answer change (`spoil`). */
export type Fate = "pass" | "hold" | "refuse" | "lose" | "spoil" | { readonly cut: number };

export interface SeenRequest {
	readonly method: string;
	readonly path: string;
	readonly headers: IncomingMessage["headers"];
	readonly body: Buffer<ArrayBuffer>;
}

/** A bad network before Isobar. It leaves Host as it came, since that is signed. */
export class Proxy {
	/** Decides by request; passes all by default. */
	fateOf: (request: SeenRequest) => Fate = () => "pass";
	readonly seen: SeenRequest[] = [];
	readonly #server = createServer((from, to) => void this.#handle(from, to));
	readonly #target: URL;

	private constructor(target: string) {
		this.#target = new URL(target);
	}

	static async start(target: string): Promise<Proxy> {
		const proxy = new Proxy(target);
		await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
		return proxy;
	}

	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** Requests that were seen whose method and path match. */
	find(method: string, path: RegExp): readonly SeenRequest[] {
		return this.seen.filter((each) => each.method === method && path.test(each.path));
	}

	stop(): void {
		this.#server.closeAllConnections();
		this.#server.close();
	}

	async #handle(from: IncomingMessage, to: ServerResponse): Promise<void> {
		from.on("error", () => {});
		const pieces: Buffer[] = [];
		try {
			for await (const piece of from) pieces.push(piece as Buffer);
		} catch {
			return;
		}
		const { method = "", url: path = "", headers } = from;
		const seen = { method, path, headers, body: Buffer.concat(pieces) };
		this.seen.push(seen);
		const fate = this.fateOf(seen);
		if (fate === "hold") return;
		if (fate === "refuse") return void from.socket.destroy();
		const { hostname, port } = this.#target;
		const upstream = request({ hostname, port, method, path, headers }, (answer) => {
			if (fate === "lose") {
				answer.resume();
				answer.on("end", () => from.socket.destroy());
				return;
			}
			to.writeHead(answer.statusCode ?? 502, answer.headers);
			if (fate === "pass") return void answer.pipe(to);
			let left = fate === "spoil" ? Infinity : fate.cut;
			answer.on("data", (piece: Buffer) => {
				if (left <= 0) return;
				if (fate === "spoil") piece[piece.length - 1]! ^= 1;
				to.write(piece.subarray(0, left));
				left -= piece.length;
				// What was written is to arrive before the end.
				if (left <= 0) setTimeout(() => from.socket.destroy(), 20);
			});
			answer.on("end", () => left > 0 && to.end());
		});
		upstream.on("error", () => from.socket.destroy());
		to.on("close", () => upstream.destroy());
		upstream.end(seen.body);
	}
}
