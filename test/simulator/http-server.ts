import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { INFERENCE_PATHS, type Call } from "./call.ts";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import { basePath, enginePath } from "./provider.ts";
import type { Replica } from "./replica.ts";
import { route } from "./routes.ts";

const REOPEN_MILLISECONDS = 50;

/** The port of one replica. */
export class HttpServer {
	readonly #replica: Replica;
	readonly #host: string;
	readonly #server: Server;
	readonly #options: Omit<ExchangeOptions, "onClose">;
	#port = 0;

	private constructor(replica: Replica, host: string) {
		const { settings, timers } = replica;
		this.#replica = replica;
		this.#host = host;
		const isInstant = !Number.isFinite(settings.speed);
		this.#options = { eventsPerWrite: isInstant ? settings.eventsPerWrite : null, every: timers.every };
		// A stream may take longer than Node's own limit for a request. A connection that closes just when it is used again costs a
		// request its attempt, which is no fault that anybody has asked for.
		this.#server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000, noDelay: true }, (request, response) => {
			this.#receive(request, response);
		});
	}

	static async listen(replica: Replica, host: string): Promise<HttpServer> {
		const server = new HttpServer(replica, host);
		server.#port = await listening(server.#server, replica.settings.port, host);
		if (replica.behaviour.refuse) server.#refuse(true);
		replica.onRefuse = (refuse) => server.#refuse(refuse);
		return server;
	}

	get url(): string {
		const { provider, name } = this.#replica.settings;
		return `http://${this.#host}:${this.#port}${basePath(provider, name)}`;
	}

	async close(): Promise<void> {
		this.#replica.onRefuse = () => {};
		this.#replica.stop();
		this.#server.closeAllConnections();
		if (!this.#server.listening) return;
		await new Promise<void>((resolve) => {
			this.#server.close(() => resolve());
		});
	}

	#refuse(refuse: boolean): void {
		if (refuse) {
			this.#server.close();
			this.#server.closeAllConnections();
		} else {
			this.#reopen();
		}
	}

	/** Somebody may have been given the port meanwhile (as the near end of a connection): then it is tried again. */
	#reopen(): void {
		listening(this.#server, this.#port, this.#host).catch(() => {
			setTimeout(() => {
				if (!this.#replica.behaviour.refuse && !this.#server.listening) this.#reopen();
			}, REOPEN_MILLISECONDS).unref();
		});
	}

	#receive(request: IncomingMessage, response: ServerResponse): void {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
			const seconds = this.#replica.latencySeconds;
			if (seconds > 0) this.#replica.timers.after(seconds, () => this.#handle(request, response, body));
			else this.#handle(request, response, body);
		});
	}

	#handle(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
		if (response.destroyed) return;
		const replica = this.#replica;
		const [asked = "/", query = ""] = (request.url ?? "/").split("?", 2);
		const path = enginePath(replica, asked);
		replica.recorder.add(request, body);
		const onClose = INFERENCE_PATHS.has(path) ? replica.enter() : () => {};
		const exchange = new Exchange(response, replica.faults.draw(path), { ...this.#options, onClose });
		const call: Call = {
			method: request.method ?? "GET",
			path,
			query,
			headers: request.headers,
			body,
		};
		route(replica, call, exchange);
	}
}

/** Connections that wait to be taken: a rush of requests through several isolates brings more at once than Node's default of 511. */
const BACKLOG = 4_096;

/** Listens, and says at which port. */
export async function listening(server: Server, port: number, host: string): Promise<number> {
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen({ port, host, backlog: BACKLOG }, () => {
			server.off("error", reject);
			resolve();
		});
	});
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the server has no port");
	return address.port;
}
